"""The reading of JSON-RPC that lines of MCP are checked against."""

import pytest

from tests.fuzz.mcp_answers import INVALID_REQUEST, PARSE_ERROR, ExpectedAnswer, expected_answer

PING = b'{"jsonrpc":"2.0","id":7,"method":"ping"}'


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (PING, ExpectedAnswer(7)),
        (PING[:-1], ExpectedAnswer(None, PARSE_ERROR)),
        (PING.replace(b"7", b"NaN"), ExpectedAnswer(None, PARSE_ERROR)),
        (PING.replace(b"7", b"\xff"), ExpectedAnswer(None, PARSE_ERROR)),
        (b"[" * 100_000, ExpectedAnswer(None, is_any_error=True)),
        (b"[" + PING + b"]", ExpectedAnswer(None, INVALID_REQUEST)),
        (PING.replace(b"7", b"7.5"), ExpectedAnswer(7.5, INVALID_REQUEST)),
        (PING.replace(b"7", b"true"), ExpectedAnswer(None, INVALID_REQUEST)),
        (PING.replace(b"2.0", b"1.0"), ExpectedAnswer(7, INVALID_REQUEST)),
        (b'{"jsonrpc":"2.0","method":"notifications/x"}', None),
        (b'{"jsonrpc":"2.0","method":"notifications/x","params":null}', None),
        (b'{"jsonrpc":"2.0","method":"notifications/x","params":[]}', ExpectedAnswer(None, INVALID_REQUEST)),
        (b'{"jsonrpc":"1.0","id":1,"result":{}}', None),
        (b"  ", None),
    ],
)
def test_a_line_has_the_answer_of_the_specification(line: bytes, expected: ExpectedAnswer | None) -> None:
    assert expected_answer(line) == expected


def test_an_answer_has_the_same_id_and_for_a_refusal_the_same_code() -> None:
    assert ExpectedAnswer(1).is_met_by({"id": 1, "result": {}})
    assert ExpectedAnswer(1).is_met_by({"id": 1, "error": {"code": -32601}})
    assert not ExpectedAnswer(1).is_met_by({"id": "1", "result": {}})
    assert not ExpectedAnswer(1).is_met_by({"id": True, "result": {}})
    assert ExpectedAnswer(None, is_any_error=True).is_met_by({"id": 1, "error": {"code": PARSE_ERROR}})
    assert not ExpectedAnswer(None, is_any_error=True).is_met_by({"id": 1, "result": {}})
    assert not ExpectedAnswer(1, INVALID_REQUEST).is_met_by({"id": 1, "error": {"code": PARSE_ERROR}})
