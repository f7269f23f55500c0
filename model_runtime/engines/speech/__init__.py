"""Speech synthesis on mlx-audio: one module per family, the text each voice can read, sentences as they are spoken."""
