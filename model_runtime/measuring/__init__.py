"""Measure pictures: their colours, the boxes and texts of their layout, and what differs between two. Pure NumPy."""
