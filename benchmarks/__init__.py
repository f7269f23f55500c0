"""What we measure ourselves with; `python -m benchmarks` runs it all and writes results.json."""
