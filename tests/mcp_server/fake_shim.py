"""The real shim, starting the daemon over the fake runtime: `python -m tests.mcp_server.fake_shim`."""

from mcp_server import shim, summon

summon.DAEMON = ("-m", "tests.mcp_server.fake_daemon", "--ready-fd", "3")

if __name__ == "__main__":
    shim.main()
