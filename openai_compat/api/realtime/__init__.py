"""OpenAI's realtime API for transcription: sound in while it is recorded, text out. Conversations are not served."""
