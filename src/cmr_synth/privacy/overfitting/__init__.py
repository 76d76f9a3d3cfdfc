"""Overfitting and copying: does a set lie closer to its training patients than new patients do?"""
