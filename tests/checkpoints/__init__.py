"""Tiny checkpoints with random or scripted weights, in the on-disk formats that are published."""
