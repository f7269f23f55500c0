"""How an MCP client is told about Senses: its configuration file, and the commands and snippets to paste."""
