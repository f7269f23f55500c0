"""Soak test: six clients, random kills and stops of workers and a budget too small for all models, for a chosen time."""
