"""What `senses describe` asks."""

import base64
from pathlib import Path

from mcp_server.cli.describe import QUESTION, question_about


def test_a_picture_and_a_question_are_one_message(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"PNG")
    picture = {
        "type": "image_url",
        "image_url": {"url": f"data:application/octet-stream;base64,{base64.b64encode(b'PNG').decode()}"},
    }

    asked, plain = question_about(str(file), "What is it?"), question_about(str(file), "")

    assert asked == {"role": "user", "content": [picture, {"type": "text", "text": "What is it?"}]}
    assert plain["content"][1] == {"type": "text", "text": QUESTION}
