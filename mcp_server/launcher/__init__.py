"""The shim, which every MCP client starts: it connects to the daemon or starts it. Standard library only."""
