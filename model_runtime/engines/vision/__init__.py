"""Vision models on mlx-vlm: batching, image features, and the families that need their own code."""
