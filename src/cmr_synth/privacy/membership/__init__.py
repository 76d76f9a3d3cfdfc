"""Membership inference: can a patient be told to have been trained on?"""
