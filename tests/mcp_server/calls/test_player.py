"""Texts are read aloud while they are made, one after the other, and can be silenced at any time."""

import logging
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from mcp_server.calls.player import AudioPlayer, Playback
from tests.mcp_server.fake_sound import FakeSound

RATE = 24_000


def begin(player: AudioPlayer) -> Playback:
    playback = player.begin()
    assert playback is not None
    return playback


@pytest.mark.promise("mcp:aloud")
async def test_sound_is_heard_before_the_rest_of_it_is_made() -> None:
    sound = FakeSound()
    async with anyio.create_task_group() as tasks:
        player = AudioPlayer(tasks, lambda: sound)
        with anyio.fail_after(5), begin(player) as playback:
            playback.feed(b"ab", RATE)
            await sound.began.wait()
            heard_so_far = sound.heard[0]
            playback.feed(b"cd", RATE)

    assert heard_so_far == b"ab"
    assert (sound.heard, sound.sample_rates, sound.endings) == ([b"abcd"], [RATE], ["heard"])


async def test_a_second_text_waits_for_the_end_of_the_first_and_a_silent_one_holds_nobody_up() -> None:
    sound = FakeSound()
    async with anyio.create_task_group() as tasks:
        player = AudioPlayer(tasks, lambda: sound)
        with begin(player), begin(player) as first:
            first.feed(b"1a", RATE)
            with begin(player) as second:
                second.feed(b"2a", RATE)
            await anyio.lowlevel.checkpoint()
            first.feed(b"1b", RATE)

    assert sound.heard == [b"1a1b", b"2a"]


@pytest.mark.promise("mcp:aloud")
async def test_stopping_silences_what_sounds_what_waits_and_what_is_still_to_begin() -> None:
    sound = FakeSound(gate=anyio.Event())
    async with anyio.create_task_group() as tasks:
        player = AudioPlayer(tasks, lambda: sound)
        with begin(player) as sounding, begin(player) as waiting, begin(player) as unborn:
            sounding.feed(b"aa", RATE)
            waiting.feed(b"bb", RATE)
            await sound.began.wait()
            stopped = player.stop()
            again = player.stop()
            for playback in (sounding, waiting, unborn):
                playback.feed(b"cc", RATE)

    assert (stopped, again) == (3, 0)
    assert (sound.heard, sound.endings) == ([b"aa"], ["silenced"])
    assert {playback.problem for playback in (sounding, waiting, unborn)} == {"stop_speaking was called."}


async def test_after_a_stop_the_next_text_is_heard() -> None:
    sound = FakeSound()
    async with anyio.create_task_group() as tasks:
        player = AudioPlayer(tasks, lambda: sound)
        with begin(player) as stopped:
            stopped.feed(b"aa", RATE)
            player.stop()
        with begin(player) as playback:
            playback.feed(b"bb", RATE)

    assert sound.heard[-1] == b"bb"
    assert playback.problem == ""
    assert player.stop() == 0


async def test_an_error_while_the_sound_is_made_silences_it() -> None:
    sound = FakeSound()
    async with anyio.create_task_group() as tasks:
        player = AudioPlayer(tasks, lambda: sound)
        with suppress(ValueError), begin(player) as playback:
            playback.feed(b"aa", RATE)
            await sound.began.wait()
            raise ValueError("broken")

    assert sound.endings == ["silenced"]


async def test_sound_that_cannot_be_played_is_told_in_the_log_and_to_the_call(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with anyio.create_task_group() as tasks:
            player = AudioPlayer(tasks, lambda: FakeSound(problem="no device"))
            with begin(player) as playback:
                playback.feed(b"aa", RATE)

    assert caplog.messages == ["A text was not read aloud: no device"]
    assert playback.problem == "no device"


async def test_an_error_of_our_own_ends_one_text_and_not_the_daemon(caplog: pytest.LogCaptureFixture) -> None:
    outputs = iter([FakeSound(error=ValueError("ours")), sound := FakeSound()])
    async with anyio.create_task_group() as tasks:
        player = AudioPlayer(tasks, lambda: next(outputs))
        with begin(player) as failing:
            failing.feed(b"aa", RATE)
        with begin(player) as playback:
            playback.feed(b"bb", RATE)

    assert failing.problem.startswith("an internal error")
    assert "ours" in caplog.text
    assert sound.heard == [b"bb"]


async def test_without_a_program_nothing_is_read_aloud() -> None:
    async with anyio.create_task_group() as tasks:
        assert AudioPlayer(tasks, lambda: None).begin() is None
