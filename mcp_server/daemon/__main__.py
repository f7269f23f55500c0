"""`python -m mcp_server.daemon`: the process that the shim starts if no daemon runs."""

from mcp_server.daemon.daemon import main

if __name__ == "__main__":
    main()
