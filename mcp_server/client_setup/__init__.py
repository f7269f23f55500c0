"""Connect MCP clients to Senses: edit their configuration files, or show commands and snippets to paste."""
