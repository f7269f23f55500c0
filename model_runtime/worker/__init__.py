"""The worker process: one process runs one engine with one model. It talks to the daemon only through `ipc`."""
