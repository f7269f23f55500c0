"""Decode what callers send, within one limit of memory: small files in a thread, large ones in a process."""
