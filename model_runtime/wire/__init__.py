"""What crosses the boundary between the daemon and a worker: frames, and the vocabulary inside them."""
