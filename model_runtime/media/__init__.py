"""Decode, resize and encode images and audio. Knows no model and no protocol."""
