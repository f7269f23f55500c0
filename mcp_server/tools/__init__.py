"""The MCP tools, one module each: their arguments, work and results. `calls` holds what all tools share."""
