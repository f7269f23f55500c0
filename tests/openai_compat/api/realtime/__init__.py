"""Realtime transcription."""
