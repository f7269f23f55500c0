"""Worker processes as the daemon sees them: start, talk, stop, reap."""
