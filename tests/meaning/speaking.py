"""What must be said: texts spoken into files, which are heard by the recogniser and measured without any model."""

from tests.meaning import sounds
from tests.meaning.face import Check, Face
from tests.meaning.judging import plain

SENTENCE = "a red circle above a blue square"
SHORT = "a small green star"
FULL = 0.02
"""The share of samples at full scale above which speech is clipped."""


def heard_again(name: str, text: str, *, form: str = "wav", voice: str = "", speed: float = 1.0) -> Check:
    """A text that must be understood when it is spoken."""

    async def run(face: Face) -> None:
        spoken = await face.say(text, form=form, voice=voice, speed=speed)
        heard = plain((await face.hear(spoken)).text)
        assert heard == plain(text), f"{name}: heard {heard!r}, not {text!r}"

    return Check(name, run)


async def _every_format(face: Face) -> None:
    """The same text sounds the same every time, so every file holds the sound of the WAV."""
    wav = sounds.samples(await face.say(SHORT))
    for form in face.speech_formats:
        sound = sounds.samples(await face.say(SHORT, form=form), form)
        assert sounds.likeness(sound, wav) > 0.95, f"{form} sounds different"
        assert abs(len(sound) - len(wav)) < 0.15 * sounds.RATE, f"{form}: {len(sound)} samples, not {len(wav)}"


async def _speed(face: Face) -> None:
    plainly = sounds.spoken_seconds(sounds.samples(await face.say(SENTENCE)))
    for speed in (0.75, 1.5):
        seconds = sounds.spoken_seconds(sounds.samples(await face.say(SENTENCE, speed=speed)))
        assert abs(seconds * speed / plainly - 1) < 0.12, f"{seconds:.2f} s at {speed}, {plainly:.2f} s at 1"


async def _two_voices(face: Face) -> None:
    low, high = [sounds.pitch(sounds.samples(await face.say(SHORT, voice=voice))) for voice in ("otto", "alma")]
    assert 70 < low < 150 < high < 350, f"{low:.0f} and {high:.0f} Hz"


async def _loudness(face: Face) -> None:
    sound = sounds.samples(await face.say(SENTENCE))
    assert sounds.clipped(sound) < FULL, f"{sounds.clipped(sound):.1%} of the samples are clipped"
    assert 0.1 < abs(sound).max(), f"the loudest sample is {abs(sound).max():.3f}"


SPOKEN = (
    heard_again("a sentence spoken", SENTENCE),
    heard_again("two sentences spoken", "A red circle. Three one four."),
    heard_again("spoken slowly", SENTENCE, speed=0.75),
    heard_again("a number spoken", "forty two"),
    heard_again("a command spoken", "turn on the lights please"),
    Check("every format", _every_format),
    Check("the speed asked for", _speed),
    Check("two voices", _two_voices),
    Check("as loud as it should be", _loudness),
)
