"""The recognition starter: a tiny Whisper for the spoken small world. README.md says how to make it again."""
