"""Speech recognition on mlx-whisper: windows, decoding, word timestamps, and corrections of the library."""
