"""Turns recordings in chats into text: the models of chats do not hear."""

from dataclasses import dataclass

from anyio import to_thread

from model_runtime.events import TranscriptionResult
from model_runtime.formats.data_url import decode_base64
from model_runtime.requests import Task, Transcribe
from model_runtime.service import Service
from openai_compat.api.generation import collect_result


@dataclass(frozen=True, slots=True)
class TranscribedAudio:
    """The text of a recording, and a sentence that says how it came about."""

    text: str
    warning: str


@dataclass(frozen=True, slots=True)
class AudioInputs:
    """Transcribes recordings with the default model, in the name of `client`."""

    service: Service
    client: str = ""

    async def transcribe(self, data: str, *, param: str) -> TranscribedAudio:
        """Return the text of a recording in base64.

        Raises:
            InvalidInput: `data` is not base64.
            InvalidMedia: it is not a recording.
            SensesError: no model can transcribe it.
        """
        model = await self.service.resolve("", Task.TRANSCRIPTION)
        encoded = await to_thread.run_sync(decode_inline_audio, data, param)
        audio = await self.service.media.decode_audio(encoded, param=param)
        events = self.service.run(Transcribe(model, audio), client=self.client)
        finished, transcript = await collect_result(events, TranscriptionResult)
        text = transcript.text.strip()
        heard = "stands in its place as text" if text else "has no speech"
        warning = f"The recording {param} was transcribed by {finished.model}: it {heard}."
        return TranscribedAudio(text, " ".join([warning, *transcript.warnings]))


def decode_inline_audio(data: str, param: str) -> bytes:
    """Return the bytes of `input_audio.data`: base64, or a data: URL.

    Raises:
        InvalidInput: it is not base64.
    """
    return decode_base64(data.partition("base64,")[2] or data, param=param)
