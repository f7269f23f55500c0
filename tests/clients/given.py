"""What a suite is given: the daemon's address, and the files that it sends. Standard library only."""

import base64
import os
from pathlib import Path

URL = os.environ["SENSES_URL"]
BASE_URL = f"{URL}/v1"
KEY = os.environ["SENSES_KEY"]
MEDIA = Path(os.environ["SENSES_MEDIA"])
RECORDING = MEDIA / "recording.wav"
SPOKEN = "Hello world. How are you today?"
"""What is said in the recording."""
SCRIPTED_ANSWER = os.environ["SENSES_SCRIPTED_ANSWER"]
"""What the model `scripted` answers to anything."""


def data_url(name: str) -> str:
    """Return a file of the media folder as an address."""
    return f"data:image/{name.rpartition('.')[2]};base64,{base64.b64encode((MEDIA / name).read_bytes()).decode()}"
