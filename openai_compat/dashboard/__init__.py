"""The status page, its JSON and events, and Prometheus metrics: views of the runtime's status."""
