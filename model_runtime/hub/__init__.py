"""The Hugging Face cache: what is in it, and how it gets there."""
