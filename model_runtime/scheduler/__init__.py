"""The pure core: decides which models are in memory and who may use them. No I/O, no clock, no locks, no processes."""
