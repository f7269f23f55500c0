"""The daemon process: composition root, socket and HTTP server, instance lock. Only it imports all packages."""
