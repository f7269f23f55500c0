"""What must be heard: recordings, the words in them, and when they are said."""

from tests.meaning.face import TIMES, Check, Face, Heard
from tests.meaning.judging import plain
from tests.meaning.recordings import Form, clip, later, recorded

SENTENCE = "red-circle-above-blue-square"
TWO_SENTENCES = "two-sentences"
NEAR_SECONDS = 0.25
"""How far a time may be off; the starter tells tenths of a second."""

FORMS = {
    "a telephone": Form("wav", "pcm_alaw", 8_000),
    "24 bits at 22 kHz": Form("wav", "pcm_s24le", 22_050),
    "stereo floats at 44 kHz": Form("wav", "pcm_f32le", 44_100, (1.0, 0.8)),
    "48 kHz": Form("wav", "pcm_s16le", 48_000),
    "only on the left": Form("aiff", "pcm_s16be", 44_100, (1.0, 0.0)),
    "only on the right": Form("wav", "pcm_s16le", 48_000, (0.0, 1.0)),
    "an MP3": Form("mp3", "libmp3lame", 44_100, (1.0, 1.0)),
    "an M4A": Form("ipod", "aac", 44_100),
    "Opus": Form("ogg", "libopus", 48_000),
    "a stereo FLAC": Form("flac", "flac", 48_000, (1.0, 1.0)),
}


def words(name: str, wanted: str) -> Check:
    """A clip that must be written down word for word."""

    async def run(face: Face) -> None:
        heard = await face.hear(clip(wanted).file)
        assert plain(heard.text) == clip(wanted).text, f"{name}: heard {heard.text!r}, not {clip(wanted).text!r}"

    return Check(name, run)


def form(name: str, kind: Form) -> Check:
    """A sentence in another kind of file: the same words at the same time."""

    async def run(face: Face) -> None:
        heard = await face.hear(recorded(SENTENCE, kind))
        assert plain(heard.text) == clip(SENTENCE).text, f"{name}: heard {heard.text!r}"
        _compare_times(face, heard, SENTENCE)

    return Check(name, run)


async def _times(face: Face) -> None:
    for name in (SENTENCE, TWO_SENTENCES):
        heard = await face.hear(clip(name).file)
        assert abs(heard.seconds - clip(name).seconds) < NEAR_SECONDS, f"{heard.seconds} s, not {clip(name).seconds}"
        _compare_times(face, heard, name)


async def _word_times(face: Face) -> None:
    """Words follow one another while they are said; the library lets the first one begin with the recording."""
    heard, (said,) = await face.hear(clip(SENTENCE).file, words=True), clip(SENTENCE).segments
    assert [plain(word.text) for word in heard.words] == said.text.split()
    first, *edges = [edge for word in heard.words for edge in (word.start, word.end)]
    assert [first, *edges] == sorted([first, *edges]), f"words overlap: {edges}"
    assert said.start - NEAR_SECONDS < edges[0] < said.start + NEAR_SECONDS, f"{edges} for {said}"
    assert said.end - 2 * NEAR_SECONDS < edges[-1] < said.end + NEAR_SECONDS, f"{edges} for {said}"


async def _second_window(face: Face) -> None:
    """Whisper hears 30 seconds at once; what comes later must be told later."""
    heard, (said,) = await face.hear(later(SENTENCE, 31)), clip(SENTENCE).segments
    assert plain(heard.text) == clip(SENTENCE).text, f"heard {heard.text!r} after 31 s"
    assert abs(heard.segments[0].start - said.start - 31) < NEAR_SECONDS, f"{heard.segments} for {said} after 31 s"


def _compare_times(face: Face, heard: Heard, name: str) -> None:
    if TIMES not in face.offers:
        return
    wanted = clip(name).segments
    assert [plain(one.text) for one in heard.segments] == [one.text for one in wanted], heard.segments
    for one, other in zip(heard.segments, wanted, strict=True):
        off = max(abs(one.start - other.start), abs(one.end - other.end))
        assert off < NEAR_SECONDS, f"{name}: {one} is {off:.2f} s off {other}"


SAID = (
    words("a sentence", SENTENCE),
    words("a number said", "forty-two"),
    words("letters", "letters"),
    words("a command", "turn-down-the-volume"),
    words("counted things", "three-blue-circles"),
    words("two sentences", TWO_SENTENCES),
    words("late", "late-start"),
    words("a voice never met", "another-unseen-voice"),
    words("in loud noise", "in-loud-noise"),
    words("silence", "silence"),
    words("noise", "noise"),
    words("music", "music"),
    Check("times of segments", _times, TIMES),
    Check("after half a minute", _second_window, TIMES),
    Check("times of words", _word_times, TIMES),
)
RECORDED = tuple(form(name, kind) for name, kind in FORMS.items())
