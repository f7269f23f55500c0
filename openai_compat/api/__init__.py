"""OpenAI's endpoints: one module per endpoint, and the bodies they read and write. Middleware lives in `http`."""
