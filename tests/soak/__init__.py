"""Soak test: three clients, random worker kills and a budget too small for all models, for a chosen time."""
