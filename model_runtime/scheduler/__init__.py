"""Decides which models are in memory and which requests run. Pure: no I/O, no clock, no locks, no processes."""
