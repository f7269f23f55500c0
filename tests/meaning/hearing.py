"""Checks of transcriptions: the words of recordings and their times."""

from tests.meaning.face import TIMESTAMPS, MeaningCheck, SensesClient, Transcription
from tests.meaning.judging import normalize_text
from tests.meaning.recordings import AudioEncoding, clip, delayed_wav, encode_clip

SENTENCE = "red-circle-above-blue-square"
TWO_SENTENCES = "two-sentences"
TOLERANCE_SECONDS = 0.25
"""Tolerance of a time. The starter has a resolution of 0.1 s."""

ENCODINGS = {
    "a telephone": AudioEncoding("wav", "pcm_alaw", 8_000),
    "24 bits at 22 kHz": AudioEncoding("wav", "pcm_s24le", 22_050),
    "stereo floats at 44 kHz": AudioEncoding("wav", "pcm_f32le", 44_100, (1.0, 0.8)),
    "48 kHz": AudioEncoding("wav", "pcm_s16le", 48_000),
    "only on the left": AudioEncoding("aiff", "pcm_s16be", 44_100, (1.0, 0.0)),
    "only on the right": AudioEncoding("wav", "pcm_s16le", 48_000, (0.0, 1.0)),
    "an MP3": AudioEncoding("mp3", "libmp3lame", 44_100, (1.0, 1.0)),
    "an M4A": AudioEncoding("ipod", "aac", 44_100),
    "Opus": AudioEncoding("ogg", "libopus", 48_000),
    "a stereo FLAC": AudioEncoding("flac", "flac", 48_000, (1.0, 1.0)),
}


def transcript_check(name: str, clip_name: str) -> MeaningCheck:
    """Return the check that a clip is transcribed word for word."""

    async def run(client: SensesClient) -> None:
        heard = await client.transcribe(clip(clip_name).file)
        assert normalize_text(heard.text) == clip(clip_name).text, (
            f"{name}: heard {heard.text!r}, not {clip(clip_name).text!r}"
        )

    return MeaningCheck(name, run)


def encoding_check(name: str, encoding: AudioEncoding) -> MeaningCheck:
    """Return the check that a sentence in another encoding has the same words at the same times."""

    async def run(client: SensesClient) -> None:
        heard = await client.transcribe(encode_clip(SENTENCE, encoding))
        assert normalize_text(heard.text) == clip(SENTENCE).text, f"{name}: heard {heard.text!r}"
        _compare_times(client, heard, SENTENCE)

    return MeaningCheck(name, run)


async def _check_segment_times(client: SensesClient) -> None:
    for name in (SENTENCE, TWO_SENTENCES):
        heard = await client.transcribe(clip(name).file)
        assert abs(heard.seconds - clip(name).seconds) < TOLERANCE_SECONDS, (
            f"{heard.seconds} s, not {clip(name).seconds}"
        )
        _compare_times(client, heard, name)


async def _check_word_times(client: SensesClient) -> None:
    """Words do not overlap and lie within the speech. mlx-whisper starts the first one with the recording."""
    heard, (said,) = await client.transcribe(clip(SENTENCE).file, word_timestamps=True), clip(SENTENCE).segments
    assert [normalize_text(word.text) for word in heard.words] == said.text.split()
    first, *edges = [edge for word in heard.words for edge in (word.start, word.end)]
    assert [first, *edges] == sorted([first, *edges]), f"words overlap: {edges}"
    assert said.start - TOLERANCE_SECONDS < edges[0] < said.start + TOLERANCE_SECONDS, f"{edges} for {said}"
    assert said.end - 2 * TOLERANCE_SECONDS < edges[-1] < said.end + TOLERANCE_SECONDS, f"{edges} for {said}"


async def _check_second_window(client: SensesClient) -> None:
    """Whisper reads windows of 30 seconds. Times in the second window must count from the start of the recording."""
    heard, (said,) = await client.transcribe(delayed_wav(SENTENCE, 31)), clip(SENTENCE).segments
    assert normalize_text(heard.text) == clip(SENTENCE).text, f"heard {heard.text!r} after 31 s"
    assert abs(heard.segments[0].start - said.start - 31) < TOLERANCE_SECONDS, f"{heard.segments} for {said} after 31 s"


def _compare_times(client: SensesClient, heard: Transcription, name: str) -> None:
    if TIMESTAMPS not in client.features:
        return
    expected = clip(name).segments
    assert [normalize_text(one.text) for one in heard.segments] == [one.text for one in expected], heard.segments
    for one, other in zip(heard.segments, expected, strict=True):
        off_seconds = max(abs(one.start - other.start), abs(one.end - other.end))
        assert off_seconds < TOLERANCE_SECONDS, f"{name}: {one} is {off_seconds:.2f} s off {other}"


TRANSCRIPTION_CHECKS = (
    transcript_check("a sentence", SENTENCE),
    transcript_check("a number said", "forty-two"),
    transcript_check("letters", "letters"),
    transcript_check("a command", "turn-down-the-volume"),
    transcript_check("counted things", "three-blue-circles"),
    transcript_check("two sentences", TWO_SENTENCES),
    transcript_check("late", "late-start"),
    transcript_check("a voice never met", "another-unseen-voice"),
    transcript_check("in loud noise", "in-loud-noise"),
    transcript_check("silence", "silence"),
    transcript_check("noise", "noise"),
    transcript_check("music", "music"),
    MeaningCheck("times of segments", _check_segment_times, TIMESTAMPS),
    MeaningCheck("after half a minute", _check_second_window, TIMESTAMPS),
    MeaningCheck("times of words", _check_word_times, TIMESTAMPS),
)
ENCODING_CHECKS = tuple(encoding_check(name, kind) for name, kind in ENCODINGS.items())
