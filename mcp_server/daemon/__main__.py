"""`python -m mcp_server.daemon`: what the shim starts when no daemon runs."""

from mcp_server.daemon.daemon import main

if __name__ == "__main__":
    main()
