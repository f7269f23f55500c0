"""What a session decides: when a turn begins and ends, what is transcribed next, and how much is kept."""

from itertools import pairwise

import pytest

from model_runtime.errors import InvalidInput, JobFailed
from model_runtime.events import Finished, Timings, TranscriptionResult
from model_runtime.media.speech_turns import TurnStarted, TurnStopped
from openai_compat.api.realtime import session as sessions
from openai_compat.api.realtime.listener import Heard
from openai_compat.api.realtime.server_events import ServerEvent
from openai_compat.api.realtime.session import RealtimeSession, TranscriptionPass
from openai_compat.api.realtime.settings import SessionSettings

SECOND = 16_000


def session_with(**sound: object) -> RealtimeSession:
    return RealtimeSession(SessionSettings().updated({"audio": {"input": sound}}), beta=False)


def by_hand() -> RealtimeSession:
    return session_with(turn_detection=None)


def seconds(count: float, *turns: TurnStarted | TurnStopped) -> Heard:
    return Heard(bytes(int(count * SECOND) * 2), turns)


def types(events: list[ServerEvent]) -> list[str]:
    return [event["type"].removeprefix("input_audio_buffer.").removeprefix("conversation.item.") for event in events]


def hear(session: RealtimeSession, made: TranscriptionPass | None, text: str) -> list[ServerEvent]:
    assert made is not None
    finished = Finished("stt-starter", TranscriptionResult(text, "en", 1.0, ()), Timings(0, 0, 0))
    return session.finish(made, finished, TranscriptionResult(text, "en", 1.0, ()))


def test_a_turn_has_the_sound_from_its_padding_to_the_end_of_its_pause() -> None:
    session = session_with(turn_detection={"prefix_padding_ms": 250})

    started = session.take(seconds(3, TurnStarted(2 * SECOND)))
    ended = session.take(seconds(2, TurnStopped(4 * SECOND)))

    assert types(started) == ["speech_started"]
    assert types(ended) == ["speech_stopped", "committed", "added", "done"]
    assert (started[0]["audio_start_ms"], ended[0]["audio_end_ms"]) == (1750, 4000)
    assert len({event.get("item_id") or event["item"]["id"] for event in [*started, *ended]}) == 1
    made = session.next_pass()
    assert made is not None
    assert made.is_final
    assert len(made.pcm) == 2.25 * SECOND * 2


def test_turns_follow_each_other_without_sharing_sound() -> None:
    session = session_with(turn_detection={"prefix_padding_ms": 5000})

    first = session.take(seconds(4, TurnStarted(SECOND), TurnStopped(3 * SECOND)))
    second = session.take(seconds(4, TurnStarted(4 * SECOND), TurnStopped(6 * SECOND)))

    assert second[0]["audio_start_ms"] == 3000
    assert first[2]["previous_item_id"] is None
    assert second[2]["previous_item_id"] == first[2]["item_id"]


def test_an_unfinished_turn_is_tried_when_a_second_is_new_and_in_a_long_one_a_tenth() -> None:
    session, tried = by_hand(), []

    for _ in range(60):
        session.take(seconds(0.5))
        if (made := session.next_pass()) is not None:
            tried.append(len(made.pcm) / 2 / SECOND)

    assert tried[:10] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert all(later - earlier >= 0.1 * later for earlier, later in pairwise(tried))
    assert len(tried) < 25


@pytest.mark.promise("openai:realtime-deltas")
def test_what_two_passes_agree_on_is_told_while_the_turn_goes_on() -> None:
    session = by_hand()
    session.take(seconds(1))
    before = hear(session, session.next_pass(), "a red")
    session.take(seconds(1))
    meanwhile = hear(session, session.next_pass(), "a red circle")
    session.take(seconds(0.5))
    committed = session.commit()

    ended = hear(session, session.next_pass(), "a red circle above")

    assert before == []
    assert [event["delta"] for event in meanwhile] == ["a red"]
    assert types(ended) == ["input_audio_transcription.delta", "input_audio_transcription.completed"]
    assert (ended[0]["delta"], ended[1]["transcript"]) == (" circle above", "a red circle above")
    assert {event["item_id"] for event in [*meanwhile, *ended]} == {committed[0]["item_id"]}
    assert session.next_pass() is None


def test_a_pass_over_a_turn_that_has_ended_is_not_wanted_and_tells_nothing() -> None:
    session = by_hand()
    session.take(seconds(2))
    made = session.next_pass()
    assert made is not None

    session.clear()

    assert not session.is_wanted(made)
    assert hear(session, made, "a red circle") == []
    assert session.next_pass() is None


def test_the_oldest_turn_comes_first_and_each_ends_even_if_one_fails() -> None:
    session = by_hand()
    items = []
    for _ in range(3):
        session.take(seconds(1))
        items.append(session.commit()[0]["item_id"])

    first = session.next_pass()
    assert first is not None
    failed = session.fail(first, JobFailed("The worker says no."))
    ended = [hear(session, session.next_pass(), text)[-1] for text in ("two", "three")]

    assert types(failed) == ["input_audio_transcription.failed"]
    assert failed[0]["error"]["message"] == "The worker says no."
    assert [failed[0]["item_id"], *(event["item_id"] for event in ended)] == items


def test_a_failure_while_the_turn_goes_on_is_not_told() -> None:
    session = by_hand()
    session.take(seconds(1))
    made = session.next_pass()
    assert made is not None

    assert session.fail(made, JobFailed("x")) == []
    assert session.next_pass() is None


@pytest.mark.promise("openai:realtime-bounds")
@pytest.mark.parametrize("voice", [True, False])
def test_a_turn_without_end_is_committed_in_pieces(voice: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_TURN_SECONDS", 2)
    session = session_with(**({} if voice else {"turn_detection": None}))

    events = session.take(seconds(5, TurnStarted(0)) if voice else seconds(5))

    assert types(events).count("committed") == 2
    if voice:
        assert types(events)[:3] == ["speech_started", "speech_stopped", "committed"]
        assert [event["audio_start_ms"] for event in events if "audio_start_ms" in event] == [0, 2000, 4000]
    assert types(session.commit())[0] == "committed"
    assert [len(turn.pcm) / 2 / SECOND for turn in session._committed] == [2, 2, 1]  # noqa: SLF001


@pytest.mark.promise("openai:realtime-bounds")
def test_sound_that_waits_is_limited_and_silence_is_forgotten() -> None:
    quiet, full = session_with(), by_hand()
    tenth = "A" * int(16_384 * 48_000 / 16_384)
    for _ in range(200):
        quiet.take(seconds(1))
        full.take(seconds(1.5))
        if full.next_pass() is None:
            full.commit()

    quiet.require_room(tenth)
    with pytest.raises(InvalidInput, match="300 s of sound wait") as refused:
        full.require_room(tenth)

    assert refused.value.code == "input_audio_buffer_full"
    assert len(quiet._kept) <= 4 * SECOND * 2  # noqa: SLF001


def test_a_commit_without_sound_is_refused() -> None:
    with pytest.raises(InvalidInput, match="0 ms") as refused:
        by_hand().commit()
    with pytest.raises(InvalidInput, match="Nobody talks"):
        session_with().commit()

    assert refused.value.code == "input_audio_buffer_commit_empty"


def test_without_transcription_turns_are_told_and_nothing_is_transcribed() -> None:
    session = session_with(transcription=None)

    events = session.take(seconds(5, TurnStarted(SECOND), TurnStopped(4 * SECOND)))

    assert "committed" in types(events)
    assert session.next_pass() is None


def test_another_format_begins_a_new_sound_and_times_go_on() -> None:
    session = session_with()
    session.take(seconds(3, TurnStarted(SECOND)))

    session.update(session.settings.updated({"audio": {"input": {"format": {"type": "audio/pcma"}}}}))
    events = session.take(seconds(3, TurnStarted(2 * SECOND)))

    assert events[0]["audio_start_ms"] == 3000 + 2000 - 300
