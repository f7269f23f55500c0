"""Checks of speech: the starter transcribes the files, and they are measured without any model."""

from tests.meaning import sounds
from tests.meaning.face import MeaningCheck, SensesClient
from tests.meaning.judging import normalize_text

SENTENCE = "a red circle above a blue square"
SHORT_SENTENCE = "a small green star"
MAX_CLIPPED_SHARE = 0.02
"""The share of samples at full scale above which speech is clipped."""


def intelligibility_check(
    name: str, text: str, *, audio_format: str = "wav", voice: str = "", speed: float = 1.0
) -> MeaningCheck:
    """Return the check that a text is transcribed as it was spoken."""

    async def run(client: SensesClient) -> None:
        spoken = await client.speak(text, audio_format=audio_format, voice=voice, speed=speed)
        heard = normalize_text((await client.transcribe(spoken)).text)
        assert heard == normalize_text(text), f"{name}: heard {heard!r}, not {text!r}"

    return MeaningCheck(name, run)


async def _check_formats(client: SensesClient) -> None:
    """Speech is deterministic, so a file in any format has the audio of the WAV."""
    wav = sounds.decode_samples(await client.speak(SHORT_SENTENCE))
    for audio_format in client.speech_formats:
        sound = sounds.decode_samples(await client.speak(SHORT_SENTENCE, audio_format=audio_format), audio_format)
        assert sounds.similarity(sound, wav) > 0.95, f"{audio_format} sounds different"
        assert abs(len(sound) - len(wav)) < 0.15 * sounds.SAMPLE_RATE, (
            f"{audio_format}: {len(sound)} samples, not {len(wav)}"
        )


async def _check_speed(client: SensesClient) -> None:
    normal_seconds = sounds.spoken_seconds(sounds.decode_samples(await client.speak(SENTENCE)))
    for speed in (0.75, 1.5):
        seconds = sounds.spoken_seconds(sounds.decode_samples(await client.speak(SENTENCE, speed=speed)))
        assert abs(seconds * speed / normal_seconds - 1) < 0.12, (
            f"{seconds:.2f} s at {speed}, {normal_seconds:.2f} s at 1"
        )


async def _check_voices(client: SensesClient) -> None:
    low, high = [
        sounds.pitch(sounds.decode_samples(await client.speak(SHORT_SENTENCE, voice=voice)))
        for voice in ("otto", "alma")
    ]
    assert 70 < low < 150 < high < 350, f"{low:.0f} and {high:.0f} Hz"


async def _check_loudness(client: SensesClient) -> None:
    sound = sounds.decode_samples(await client.speak(SENTENCE))
    assert sounds.clipped_share(sound) < MAX_CLIPPED_SHARE, (
        f"{sounds.clipped_share(sound):.1%} of the samples are clipped"
    )
    assert 0.1 < abs(sound).max(), f"the loudest sample is {abs(sound).max():.3f}"


SPEECH_CHECKS = (
    intelligibility_check("a sentence spoken", SENTENCE),
    intelligibility_check("two sentences spoken", "A red circle. Three one four."),
    intelligibility_check("spoken slowly", SENTENCE, speed=0.75),
    intelligibility_check("a number spoken", "forty two"),
    intelligibility_check("a command spoken", "turn on the lights please"),
    MeaningCheck("every format", _check_formats),
    MeaningCheck("the speed asked for", _check_speed),
    MeaningCheck("two voices", _check_voices),
    MeaningCheck("as loud as it should be", _check_loudness),
)
