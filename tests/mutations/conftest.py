"""Engines run in this process: the environment is set before anything imports MLX."""

import os

os.environ |= {"HF_HUB_OFFLINE": "1", "MLX_DISABLE_COMPILE": "1", "TOKENIZERS_PARALLELISM": "false"}
