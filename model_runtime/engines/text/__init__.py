"""Text models on mlx-lm: continuous batching, prefill, the KV cache and the prefix cache."""
