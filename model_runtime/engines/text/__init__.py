"""Text models on mlx-lm: continuous batching, prefill, the KV cache and what is kept of earlier chats."""
