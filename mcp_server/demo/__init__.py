"""Round trips of sentences through all four tools, for `senses demo`, `senses doctor` and `senses_training.loop`."""
