"""Stable Diffusion with a ControlNet that reads masks, from a folder of diffusers."""
