"""What goes to whom when a daemon ends and another one takes its place: lines in, lines out, without sockets."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_server.launcher import session as session_module
from mcp_server.launcher.session import SUBSCRIPTION_KEY, VERSION_KEY, LineBuffer, Session

URI = "senses://status"
BAD_IDS: tuple[Any, ...] = (None, True, 1.5, {}, [])


def line(**message: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


def call(request_id: Any, token: Any = None, name: str = "speak", **meta: Any) -> bytes:
    meta = meta | ({} if token is None else {"progressToken": token})
    return line(id=request_id, method="tools/call", params={"name": name, "_meta": meta})


def answer(request_id: Any) -> bytes:
    return line(id=request_id, result={"content": []})


def progress(token: Any, value: float) -> bytes:
    return line(method="notifications/progress", params={"progressToken": token, "progress": value})


INITIALIZE = line(id=0, method="initialize", params={"protocolVersion": "2025-11-25"})
INITIALIZED = line(method="notifications/initialized")
SUBSCRIBE = line(id=1, method="resources/subscribe", params={"uri": URI})
LISTEN = line(
    id="l",
    method="subscriptions/listen",
    params={"notifications": {"resourceSubscriptions": [URI]}, "_meta": {VERSION_KEY: "2026-07-28"}},
)
ACKNOWLEDGED = line(
    method="notifications/subscriptions/acknowledged", params={"_meta": {SUBSCRIPTION_KEY: "l"}, "notifications": {}}
)


def messages(lines: bytes) -> list[dict[str, Any]]:
    return [json.loads(one) for one in lines.splitlines()]


@pytest.fixture
def session() -> Session:
    """A session of the handshake era that follows the status."""
    made = Session()
    for sent, answered in ((INITIALIZE, answer(0)), (INITIALIZED, b""), (SUBSCRIBE, answer(1))):
        assert made.from_client(sent) == sent
        assert made.from_daemon(answered) == answered
    return made


def test_the_next_daemon_gets_the_handshake_the_subscriptions_and_the_open_calls(session: Session) -> None:
    session.from_client(call(2))
    session.from_client(call(3))
    session.from_daemon(answer(2))

    told = session.connection_lost()
    repeated = session.repeated_ids
    replayed = session.replay()

    assert told == b""
    assert repeated == [3]
    assert replayed == [INITIALIZE, INITIALIZED, SUBSCRIBE, call(3)]


def test_the_client_sees_no_answer_twice_and_learns_that_what_it_follows_has_changed(session: Session) -> None:
    session.connection_lost()
    session.replay()

    assert session.from_daemon(answer(0)) == b""
    assert messages(session.from_daemon(answer(1))) == [
        {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": URI}}
    ]
    assert session.from_daemon(answer(1)) == answer(1), "a later one is none of ours"


def test_who_unsubscribes_is_subscribed_to_nothing_later(session: Session) -> None:
    assert session.follows
    session.from_client(line(id=2, method="resources/unsubscribe", params={"uri": URI}))
    session.from_daemon(answer(2))
    session.connection_lost()

    assert not session.follows
    assert session.replay() == [INITIALIZE, INITIALIZED]


def test_a_refused_subscription_is_not_repeated() -> None:
    session = Session()
    session.from_client(SUBSCRIBE)
    session.from_daemon(line(id=1, error={"code": -32602, "message": "no"}))
    session.connection_lost()

    assert not session.follows
    assert session.replay() == []


def test_a_listener_listens_to_every_later_daemon_and_is_told_that_all_has_changed() -> None:
    session = Session()
    session.from_client(LISTEN)
    acknowledged = [session.from_daemon(ACKNOWLEDGED)]
    for _ in range(3):
        assert session.connection_lost() == b""
        assert session.replay() == [LISTEN]
        acknowledged.append(session.from_daemon(ACKNOWLEDGED))

    params = {"uri": URI, "_meta": {SUBSCRIPTION_KEY: "l"}}
    assert acknowledged[0] == ACKNOWLEDGED
    for later in acknowledged[1:]:
        assert messages(later) == [{"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": params}]
    assert session.follows
    assert not session.waits


def test_a_call_that_ended_two_daemons_is_answered_in_words_that_the_model_reads(session: Session) -> None:
    session.from_client(call(2))
    session.from_client(line(id=3, method="tools/list"))
    session.from_client(call("m", **{VERSION_KEY: "2026-07-28"}))
    session.connection_lost()
    session.replay()

    told = {message["id"]: message for message in messages(session.connection_lost())}

    assert told[2]["result"]["isError"] is True
    assert "ended twice while it worked on this" in told[2]["result"]["content"][0]["text"]
    assert "resultType" not in told[2]["result"]
    assert told["m"]["result"]["resultType"] == "complete"
    assert told[3]["error"]["code"] == -32603
    assert not session.waits
    assert session.replay() == [INITIALIZE, INITIALIZED, SUBSCRIBE]


def test_what_is_sent_while_there_is_no_daemon_is_sent_once_and_counts_as_not_repeated(session: Session) -> None:
    session.connection_lost()
    session.from_client(call(2), is_connected=False)
    repeated = session.repeated_ids

    assert repeated == []
    assert session.replay()[-1] == call(2)
    assert session.connection_lost() == b"", "it was tried once"


def test_a_cancelled_call_is_not_repeated(session: Session) -> None:
    for request_id in (0, 2, "x"):
        session.from_client(call(request_id))
        session.from_client(line(method="notifications/cancelled", params={"requestId": request_id}))
    session.connection_lost()

    assert not session.waits
    assert session.replay() == [INITIALIZE, INITIALIZED, SUBSCRIBE]


def test_progress_never_falls_back_while_a_call_is_repeated(session: Session) -> None:
    session.from_client(call(2, "t"))
    session.from_daemon(progress("t", 0.5))
    session.connection_lost()
    session.replay()

    seen = [session.from_daemon(progress("t", value)) for value in (0.1, 0.5, 0.6)]

    assert seen == [b"", b"", progress("t", 0.6)]


def test_progress_of_a_first_attempt_and_of_no_call_of_ours_passes_unchanged(session: Session) -> None:
    session.from_client(call(2, "t"))
    odd = line(method="notifications/progress", params={"progress": 1})

    for passed in (progress("t", 0.5), progress("t", 0.4), progress("u", 0.1), odd):
        assert session.from_daemon(passed) == passed


def test_a_question_of_a_daemon_that_ended_is_void_and_its_answer_reaches_no_other_daemon(session: Session) -> None:
    question = line(id=1, method="elicitation/create", params={"message": "Read ~/Desktop?"})
    yes = line(id=1, result={"action": "accept"})
    assert session.from_daemon(question) == question
    void = session.connection_lost()
    session.replay()

    asked_again = session.from_daemon(question)
    late = session.from_client(yes)
    (known,) = messages(asked_again)
    answered = session.from_client(line(id=known["id"], result={"action": "accept"}))
    twice = session.from_client(line(id=known["id"], result={"action": "accept"}))

    assert messages(void)[0]["method"] == "notifications/cancelled"
    assert messages(void)[0]["params"]["requestId"] == 1
    assert late == b"", "the second daemon's question also has the id 1"
    assert messages(answered) == messages(yes)
    assert twice == b""


def test_an_answer_to_the_daemon_that_asked_is_passed_on_unchanged(session: Session) -> None:
    session.from_daemon(line(id="q", method="roots/list"))
    answered = line(id="q", result={"roots": []})

    assert session.from_client(answered) == answered


def test_without_a_daemon_every_request_is_told_why(session: Session) -> None:
    session.from_client(call(2))
    session.from_client(LISTEN)

    told = messages(session.give_up("no room."))

    assert {message["id"] for message in told} == {2, "l"}
    assert "Senses cannot be reached: no room. [code: daemon_unreachable]" in json.dumps(told)
    assert not session.waits
    assert session.follows, "the subscription stays for the next daemon"


@pytest.mark.parametrize(
    "odd",
    [b"\n", b"[]\n", b'"x"\n', b"{}\n", b"[" * 100_000 + b"\n", b'{"id":NaN}\n', b'{"method":5,"id":1}\n', b"\xff\n"]
    + [line(id=bad, method="ping") for bad in BAD_IDS]
    + [line(id={}, result={}), line(id=None, error={}), line(method="notifications/progress", params=[])]
    + [line(method="notifications/cancelled"), line(method="notifications/subscriptions/acknowledged")],
)
def test_lines_that_are_no_valid_message_pass_unchanged(odd: bytes) -> None:
    session = Session()

    assert session.from_client(odd) == odd
    assert session.from_daemon(odd) == odd


class World:
    """A client, a session and a series of daemons, each of which answers what it got exactly once."""

    def __init__(self) -> None:
        self.session = Session()
        self.is_connected = True
        self.received: list[dict[str, Any]] = []
        """What the daemon of the moment got and has not answered."""
        self.call_counts: dict[Any, int] = {}
        self.answers: dict[Any, int] = {}
        self.progress: dict[Any, float] = {}
        self.cancelled: set[Any] = set()
        self.ids = 0

    def client_sends(self, data: bytes) -> None:
        forwarded = self.session.from_client(data, is_connected=self.is_connected)
        if self.is_connected:
            self.daemon_gets(forwarded)

    def daemon_gets(self, data: bytes) -> None:
        for message in messages(data):
            if "method" in message and "id" in message:
                self.received.append(message)
                if message["method"].startswith("tools/"):
                    self.call_counts[message["id"]] = self.call_counts.get(message["id"], 0) + 1
            elif message["method"] == "notifications/cancelled":
                self.received = [one for one in self.received if one["id"] != message["params"]["requestId"]]

    def client_gets(self, data: bytes) -> None:
        for message in messages(data):
            if "id" in message:
                self.answers[message["id"]] = self.answers.get(message["id"], 0) + 1
            elif message["method"] == "notifications/progress":
                token, value = message["params"]["progressToken"], message["params"]["progress"]
                assert value > self.progress.get(token, -1)
                self.progress[token] = value

    def ask(self, method: str) -> None:
        self.ids += 1
        params = {"uri": URI, "_meta": {"progressToken": self.ids}}
        self.client_sends(line(id=self.ids, method=method, params=params))

    def cancel(self, choice: int) -> None:
        if self.ids:
            request_id = 1 + choice % self.ids
            self.cancelled.add(request_id)
            self.client_sends(line(method="notifications/cancelled", params={"requestId": request_id}))

    def work(self, choice: int) -> None:
        """The daemon reports progress, from the start for each request that it gets, or answers."""
        if self.is_connected and self.received:
            request = self.received[choice % len(self.received)]
            if choice % 2 and request["id"]:
                request["told"] = request.get("told", 0) + 1
                self.client_gets(self.session.from_daemon(progress(request["id"], request["told"])))
            else:
                self.answer(request)

    def answer(self, request: dict[str, Any]) -> None:
        """The daemon answers, unless the request is one that stays open."""
        if request["method"] != "subscriptions/listen":
            self.received.remove(request)
            self.client_gets(self.session.from_daemon(answer(request["id"])))

    def lose(self) -> None:
        if self.is_connected:
            self.is_connected, self.received = False, []
            self.client_gets(self.session.connection_lost())

    def reconnect(self) -> None:
        if not self.is_connected:
            self.is_connected = True
            for one in self.session.replay():
                self.daemon_gets(one)

    def fail_to_reconnect(self) -> None:
        if not self.is_connected:
            self.client_gets(self.session.give_up("none."))


CALLS = ("tools/call", "tools/list", "resources/subscribe", "resources/unsubscribe", "subscriptions/listen")
STEPS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(CALLS)),
    st.tuples(st.sampled_from(["cancel", "work"]), st.integers(0, 30)),
    st.sampled_from([("lose",), ("reconnect",), ("fail_to_reconnect",)]),
)


@pytest.mark.promise("shim:answers")
@given(st.lists(STEPS, max_size=60))
def test_whenever_daemons_end_each_request_has_one_answer_and_is_tried_at_most_twice(
    steps: list[tuple[Any, ...]],
) -> None:
    world = World()
    world.client_sends(line(id=0, method="initialize", params={}))

    for name, *arguments in steps:
        getattr(world, name)(*arguments)
    world.reconnect()
    for request in list(world.received):
        world.answer(request)

    listening = {request["id"] for request in world.received}
    assert set(range(world.ids + 1)) - world.cancelled - listening <= set(world.answers)
    assert all(count == 1 for count in world.answers.values())
    assert all(count <= 2 for count in world.call_counts.values())


@given(st.lists(st.binary(max_size=20)), st.integers(1, 12))
@example([b"\n\x00\x00"], 1)
def test_however_bytes_are_cut_they_have_the_same_lines(chunks: list[bytes], limit_bytes: int) -> None:
    buffer, pieces = LineBuffer(), list[bytes]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session_module, "MAX_LINE_BYTES", limit_bytes)
        for chunk in chunks:
            pieces += buffer.feed(chunk)

    whole, passed = b"".join(chunks), b"".join(pieces)
    lines = [one + b"\n" for one in whole.split(b"\n")]
    assert whole.startswith(passed)
    assert len(whole) - len(passed) <= limit_bytes
    assert all(b"\n" not in piece[:-1] for piece in pieces)
    if all(len(one) <= limit_bytes for one in lines):
        assert pieces == lines[:-1]
