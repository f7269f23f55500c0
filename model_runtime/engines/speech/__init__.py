"""Speech synthesis on mlx-audio: one module per model family, phonemes, and sentences as they are spoken."""
