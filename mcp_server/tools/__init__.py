"""The MCP tools, one module each: what an agent may ask, and how the answer reads. What all tools share is in `calls`."""
