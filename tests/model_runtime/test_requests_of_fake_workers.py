"""The runtime with fake workers: what callers see of a load, a run, a cancel, an exit and a stall."""
