"""The daemon process: composition root, socket and HTTP server, instance lock. The one place that sees all packages."""
