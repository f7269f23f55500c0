"""The file formats of a transcript: plain text, SubRip, WebVTT and JSON, which holds everything and can be read back."""

import json
from dataclasses import replace
from typing import Any, Literal

from mcp_server.files.artifacts import StoredArtifact
from model_runtime.errors import InvalidInput
from model_runtime.events import Segment, TranscriptionResult, Word
from model_runtime.formats.subtitles import to_srt, to_vtt

TranscriptFormat = Literal["text", "srt", "vtt", "json"]
SUFFIXES: dict[TranscriptFormat, str] = {"text": ".txt", "srt": ".srt", "vtt": ".vtt", "json": ".json"}


def render(transcript: TranscriptionResult, transcript_format: TranscriptFormat) -> str:
    """Return a whole transcript in a file format."""
    match transcript_format:
        case "text":
            return transcript.text.strip() + "\n"
        case "srt":
            return to_srt(transcript.segments)
        case "vtt":
            return to_vtt(transcript.segments)
        case "json":
            return json.dumps(_json_fields(transcript), ensure_ascii=False, indent=1)


def parse_json(text: str) -> TranscriptionResult:
    """Return the transcript of what `render` wrote as JSON.

    Raises:
        ValueError, KeyError: the text has another form.
    """
    fields = json.loads(text)
    segments = tuple(_segment(number, segment) for number, segment in enumerate(fields["segments"]))
    return TranscriptionResult(fields["text"], fields["language"], fields["duration"], segments)


def load_transcript(artifact: StoredArtifact) -> TranscriptionResult:
    """Return a stored transcript with its times. Blocks on the disk.

    Raises:
        InvalidInput: its JSON cannot be read, or there is none, as beside those of earlier versions.
    """
    try:
        return parse_json(artifact.path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its JSON file is damaged"
        raise InvalidInput(
            f"{artifact.uri} cannot be read by time ({reason}). Read the file {artifact.path}, or transcribe again.",
            code="not_found",
        ) from error


def shifted(transcript: TranscriptionResult, seconds: float) -> TranscriptionResult:
    """Return a transcript whose times begin `seconds` later: that of a part, with the times of the whole recording."""
    segments = (
        replace(
            segment,
            start=segment.start + seconds,
            end=segment.end + seconds,
            words=tuple(replace(word, start=word.start + seconds, end=word.end + seconds) for word in segment.words),
        )
        for segment in transcript.segments
    )
    return replace(transcript, segments=tuple(segments)) if seconds else transcript


def _json_fields(transcript: TranscriptionResult) -> dict[str, object]:
    segments = [
        {
            "start": segment.start,
            "end": segment.end,
            "text": segment.text.strip(),
            "words": [{"start": word.start, "end": word.end, "word": word.word.strip()} for word in segment.words],
        }
        for segment in transcript.segments
    ]
    return {
        "text": transcript.text.strip(),
        "language": transcript.language,
        "duration": transcript.duration_seconds,
        "segments": segments,
    }


def _segment(number: int, fields: dict[str, Any]) -> Segment:
    words = tuple(Word(word["word"], word["start"], word["end"]) for word in fields["words"])
    return Segment(number, fields["start"], fields["end"], fields["text"], words=words)
