"""The MCP server, the daemon that serves everything, and the `senses` command. Models are the runtime's business."""
