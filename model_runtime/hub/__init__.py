"""The Hugging Face cache: its content, and downloads into it."""
