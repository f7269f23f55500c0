"""Speech recognition on mlx-whisper: windows, decoding, word timestamps, and the changes the library needs."""
