"""The pure core: decides which models are in memory and whose request runs. No I/O, no clock, no locks, no processes."""
