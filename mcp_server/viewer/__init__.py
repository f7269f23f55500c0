"""The MCP App that shows results inside a client: its page, and the extension that offers it."""
