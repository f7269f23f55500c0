"""Hears what a client sends: decodes it, and finds the turns in it. Runs in threads, one piece after the other."""

from dataclasses import dataclass

from model_runtime.formats.data_url import decode_base64
from model_runtime.media.sound_stream import CODECS, SoundStream
from model_runtime.media.speech_turns import TurnDetector, TurnEvent
from model_runtime.media.voice_activity import VoiceActivityDetector
from openai_compat.api.realtime.settings import AudioInput


@dataclass(frozen=True, slots=True)
class Heard:
    """Samples (16 kHz mono s16le), and the turns that begin or end with them."""

    pcm: bytes
    turns: tuple[TurnEvent, ...]


class Listener:
    """Hears one sound in one format. Without turn detection it finds no turns."""

    def __init__(self, sound: AudioInput) -> None:
        self._stream = SoundStream(sound.format.type)
        turns = sound.turn_detection
        self._voice = VoiceActivityDetector(turns.threshold) if turns else None
        self._turns = TurnDetector(turns.silence_duration_ms / 1000) if turns else None

    def hear(self, encoded: str) -> Heard:
        """Hear the next piece, in base64.

        Raises:
            InvalidInput: it is not base64.
        """
        pcm = self._stream.feed(decode_base64(encoded, param="audio"))
        if self._voice is None or self._turns is None:
            return Heard(pcm, ())
        return Heard(pcm, tuple(self._turns.feed(self._voice.feed(pcm))))

    def forget_turn(self) -> None:
        """Take what follows for a new turn: the last one was committed or cleared."""
        if self._turns is not None:
            self._turns.reset()


def encoded_seconds(encoded: str, sound: AudioInput) -> float:
    """Return about how many seconds a piece in base64 has."""
    _, rate, sample_bytes = CODECS[sound.format.type]
    return len(encoded) * 3 / 4 / sample_bytes / rate
