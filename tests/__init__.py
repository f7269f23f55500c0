"""The tests, the soak and the fuzzing; they reach daemons on this machine without a proxy."""

import os

os.environ["NO_PROXY"] = "127.0.0.1,localhost,::1"  # httpx asks the proxy of macOS's network settings, too
