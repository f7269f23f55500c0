"""What every MCP client starts: the shim, which connects to the daemon or starts it. Standard library only."""
