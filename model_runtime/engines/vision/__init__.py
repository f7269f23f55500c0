"""Vision models on mlx-vlm: batching, image features, and the families that need code of their own."""
