"""The process side of a model: one process, one engine, one model. Talks to the daemon by `ipc` only."""
