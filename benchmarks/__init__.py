"""What we measure ourselves with; `python -m benchmarks` runs it all and writes results.json."""

import os

os.environ["NO_PROXY"] = "127.0.0.1,localhost,::1"  # httpx asks the proxy of macOS's network settings, too
