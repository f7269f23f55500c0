"""The state of one realtime session: its settings, its sound and its turns. It decides, and does nothing itself."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from model_runtime.errors import InvalidInput, SensesError
from model_runtime.events import Finished, TranscriptionResult
from model_runtime.media.audio import SAMPLE_RATE
from model_runtime.media.speech_turns import TurnEvent, TurnStarted
from openai_compat.api.generation import senses_fields
from openai_compat.api.realtime.agreement import LocalAgreement
from openai_compat.api.realtime.listener import Heard, Listener, encoded_seconds
from openai_compat.api.realtime.server_events import (
    TRANSCRIPTION,
    ServerEvent,
    commit_events,
    delta_events,
    failed_event,
    new_id,
    server_event,
)
from openai_compat.api.realtime.settings import AudioInput, SessionSettings, session_json

MAX_TURN_SECONDS = 120.0
"""A longer turn is committed as it is, and the next one goes on: every pass transcribes all of a turn."""
MAX_WAITING_SECONDS = 300.0
"""Sound that a session keeps: the turn that is recorded, and those that wait to be transcribed."""
MIN_COMMIT_SECONDS = 0.1
NEW_SECONDS, NEW_SHARE = 1.0, 0.1
"""New sound that is worth a pass over an unfinished turn; in a long one, a share of it."""
LEAD_SECONDS = 3.0
"""Sound kept besides the padding while nobody talks: a turn is found after it has begun."""


@dataclass(slots=True)
class SpokenTurn:
    """Sound from a start to a pause or a commit: one item of the conversation."""

    start: int
    """First sample, counted from the start of the session."""
    item_id: str = field(default_factory=lambda: new_id("item"))
    pcm: bytes = b""
    """All of its sound, once it is committed."""
    agreement: LocalAgreement = field(default_factory=LocalAgreement)
    tried_samples: int = 0
    """Samples of the last pass over the unfinished turn."""


@dataclass(frozen=True, slots=True)
class TranscriptionPass:
    """One transcription of a turn: of all of it, or of what there is of an unfinished one."""

    turn: SpokenTurn
    pcm: bytes
    is_final: bool


class RealtimeSession:
    """One session. Its methods return the events that the client is told, in order."""

    def __init__(self, settings: SessionSettings, *, beta: bool) -> None:
        self.settings = settings
        self._beta = beta
        self._id = new_id("sess")
        self._kept = bytearray()
        """Sound that no committed turn has taken, from sample `_kept_from` on."""
        self._kept_from = 0
        self._turn: SpokenTurn | None = None
        """The turn that is recorded."""
        self._committed: deque[SpokenTurn] = deque()
        """Turns that wait for their last pass, and the one that has it now."""
        self._last_item_id: str | None = None
        self._listen()

    @property
    def _sound(self) -> AudioInput:
        return self.settings.audio.input

    @property
    def _end(self) -> int:
        return self._kept_from + len(self._kept) // 2

    def describe(self, kind: str) -> list[ServerEvent]:
        """Return the event "session.created" or "session.updated"; `kind` is its last word."""
        name = "transcription_session" if self._beta else "session"
        return [server_event(f"{name}.{kind}", session=session_json(self.settings, self._id, beta=self._beta))]

    def update(self, settings: SessionSettings) -> list[ServerEvent]:
        """Take new settings. With another format or turn detection the turn that is recorded is dropped."""
        before, self.settings = self._sound, settings
        if (before.format, before.turn_detection) != (self._sound.format, self._sound.turn_detection):
            self._drop_sound()
            self._listen()
        return self.describe("updated")

    def require_room(self, encoded: str) -> None:
        """Check that a piece of sound fits.

        Raises:
            InvalidInput: too much sound waits already.
        """
        waiting = (len(self._kept) + sum(len(turn.pcm) for turn in self._committed)) / 2 / SAMPLE_RATE
        seconds = encoded_seconds(encoded, self._sound)
        if waiting + seconds > MAX_WAITING_SECONDS:
            raise InvalidInput(
                f"{waiting:.0f} s of sound wait to be transcribed, and the event brings {seconds:.0f} s; together at most "
                f"{MAX_WAITING_SECONDS:.0f} s may wait. Send sound as fast as it is recorded, and this piece again later.",
                param="audio",
                code="input_audio_buffer_full",
            )

    def take(self, heard: Heard) -> list[ServerEvent]:
        """Take the next sound, which `listener` has heard."""
        self._kept += heard.pcm
        events = [event for turn in heard.turns for event in self._follow(turn)]
        if self._sound.turn_detection is None and self._turn is None and heard.pcm:
            self._turn = SpokenTurn(self._kept_from)
        events += self._split_long_turn(self._end)
        self._forget_silence()
        return events

    def commit(self) -> list[ServerEvent]:
        """End the turn that is recorded.

        Raises:
            InvalidInput: there is none, or hardly any sound of it.
        """
        seconds = (self._end - self._turn.start) / SAMPLE_RATE if self._turn else 0.0
        if seconds < MIN_COMMIT_SECONDS:
            because = " Nobody talks." if self._sound.turn_detection and not self._turn else ""
            raise InvalidInput(
                f"The input audio buffer has {seconds * 1000:.0f} ms of a turn; at least {MIN_COMMIT_SECONDS * 1000:.0f} ms "
                f"are needed.{because} Append sound first.",
                code="input_audio_buffer_commit_empty",
            )
        self.listener.forget_turn()
        return self._commit(self._end)

    def clear(self) -> list[ServerEvent]:
        """Drop the turn that is recorded. Committed turns stay."""
        self._drop_sound()
        self.listener.forget_turn()
        return [server_event("input_audio_buffer.cleared")]

    def next_pass(self) -> TranscriptionPass | None:
        """Return what to transcribe next: the oldest committed turn, else what is new of the one that is recorded."""
        if self._committed:
            return TranscriptionPass(self._committed[0], self._committed[0].pcm, is_final=True)
        if self._turn is None or self._sound.transcription is None:
            return None
        samples = self._end - self._turn.start
        if samples - self._turn.tried_samples < max(NEW_SECONDS * SAMPLE_RATE, NEW_SHARE * samples):
            return None
        self._turn.tried_samples = samples
        return TranscriptionPass(self._turn, self._between(self._turn.start, self._end), is_final=False)

    def is_wanted(self, made: TranscriptionPass) -> bool:
        """Return whether a pass still has a use. One over an unfinished turn has none once the turn has ended."""
        return made.is_final or made.turn is self._turn

    def finish(self, made: TranscriptionPass, finished: Finished, transcript: TranscriptionResult) -> list[ServerEvent]:
        """Take the text of a pass."""
        turn, text = made.turn, transcript.text.strip()
        if not made.is_final:
            return delta_events(turn.item_id, turn.agreement.add(text)) if self.is_wanted(made) else []
        self._committed.popleft()
        completed = server_event(
            f"{TRANSCRIPTION}.completed",
            item_id=turn.item_id,
            content_index=0,
            transcript=text,
            usage={"type": "duration", "seconds": transcript.duration_seconds},
            senses=senses_fields(finished),
        )
        return [*delta_events(turn.item_id, turn.agreement.finish(text)), completed]

    def fail(self, made: TranscriptionPass, error: SensesError) -> list[ServerEvent]:
        """Take the error of a pass. Only the last pass of a turn is told: another one may still do better."""
        if not made.is_final:
            return []
        self._committed.popleft()
        return [failed_event(made.turn.item_id, error)]

    def _listen(self) -> None:
        self.listener = Listener(self._sound)
        self._heard_from = self._end

    def _follow(self, change: TurnEvent) -> list[ServerEvent]:
        sample = self._heard_from + change.sample
        if isinstance(change, TurnStarted):
            padding = (
                self._sound.turn_detection.prefix_padding_ms * SAMPLE_RATE // 1000 if self._sound.turn_detection else 0
            )
            return self._start(sample - padding)
        return self._stop(sample) if self._turn else []

    def _start(self, sample: int) -> list[ServerEvent]:
        self._turn = SpokenTurn(max(sample, self._kept_from))
        place: dict[str, Any] = {"audio_start_ms": _milliseconds(self._turn.start), "item_id": self._turn.item_id}
        return [server_event("input_audio_buffer.speech_started", **place)]

    def _stop(self, sample: int) -> list[ServerEvent]:
        events = self._split_long_turn(sample)
        stopped = self._stopped_event(sample)
        return [*events, stopped, *self._commit(sample)]

    def _stopped_event(self, sample: int) -> ServerEvent:
        assert self._turn is not None  # noqa: S101 - asked before
        item_id = self._turn.item_id
        return server_event("input_audio_buffer.speech_stopped", audio_end_ms=_milliseconds(sample), item_id=item_id)

    def _split_long_turn(self, end: int) -> list[ServerEvent]:
        """Commit what a turn until `end` has beyond the limit, in pieces, and go on with the next turn."""
        events: list[ServerEvent] = []
        longest = int(MAX_TURN_SECONDS * SAMPLE_RATE)
        while self._turn is not None and end - self._turn.start > longest:
            cut = self._turn.start + longest
            if self._sound.turn_detection is None:
                events += self._commit(cut)
                self._turn = SpokenTurn(cut)
            else:
                events += [self._stopped_event(cut), *self._commit(cut), *self._start(cut)]
        return events

    def _commit(self, end: int) -> list[ServerEvent]:
        turn, self._turn = self._turn, None
        assert turn is not None  # noqa: S101 - asked before
        turn.pcm = self._between(turn.start, end)
        self._forget_before(end)
        if self._sound.transcription is not None:
            self._committed.append(turn)
        previous, self._last_item_id = self._last_item_id, turn.item_id
        return commit_events(turn.item_id, previous, beta=self._beta)

    def _between(self, start: int, end: int) -> bytes:
        return bytes(self._kept[(start - self._kept_from) * 2 : (end - self._kept_from) * 2])

    def _forget_silence(self) -> None:
        """Forget the sound of which no turn can have a part any more."""
        turns = self._sound.turn_detection
        if turns is not None and self._turn is None:
            self._forget_before(self._end - int((LEAD_SECONDS + turns.prefix_padding_ms / 1000) * SAMPLE_RATE))

    def _drop_sound(self) -> None:
        self._turn = None
        self._forget_before(self._end)

    def _forget_before(self, sample: int) -> None:
        if sample > self._kept_from:
            del self._kept[: (sample - self._kept_from) * 2]
            self._kept_from = sample


def _milliseconds(sample: int) -> int:
    return sample * 1000 // SAMPLE_RATE
