"""Formats that both APIs read and write: durations, data URLs, web addresses, subtitles and validation errors."""
