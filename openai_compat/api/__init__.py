"""OpenAI's endpoints, one module each, and the bodies that they read and write. Does not know middleware."""
