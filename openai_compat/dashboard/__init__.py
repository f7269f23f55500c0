"""The status page, its JSON and events, and Prometheus: they render the runtime's status and change nothing else."""
