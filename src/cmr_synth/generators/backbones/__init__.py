"""Networks that take noise away, on pixels folded into channels or on latents.

A U-Net or a transformer, as a recipe chooses (`backbone`); flow, diffusion and the latent families
are the same with either. `config` says what there is, `made` builds it.
"""
