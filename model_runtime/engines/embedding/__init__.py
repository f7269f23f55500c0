"""Embedding models on mlx-vlm: texts to vectors, in batches over all requests."""
