"""What can be said about a request before any weights are loaded: one module per task, each reading small files only."""
