"""Generators of input that lies: model folders, and requests."""
