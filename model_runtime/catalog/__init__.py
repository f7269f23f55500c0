"""Which models there are, what a name means, where the files are, and what they need. Reads the disk only."""
