"""Checks of round trips: a sentence is spoken, transcribed, drawn and described, and keeps its meaning."""

from tests.meaning.drawing import SIDE
from tests.meaning.face import MeaningCheck, SensesClient
from tests.meaning.judging import caption_matches
from tests.meaning.seeing import DESCRIBE


def round_trip_check(sentence: str, seed: int) -> MeaningCheck:
    """Return the check that a sentence keeps its meaning through all four models."""

    async def run(client: SensesClient) -> None:
        heard = (await client.transcribe(await client.speak(sentence))).text.strip()
        caption = await client.describe(
            await client.generate_image(heard, width=SIDE, height=SIDE, seed=seed), DESCRIBE
        )
        assert caption_matches(caption, sentence), f"{sentence!r} was heard as {heard!r} and seen as {caption!r}"

    return MeaningCheck(f"the loop: {sentence}", run)


LOOP_CHECKS = (
    round_trip_check("a red circle above a blue square", 1),
    round_trip_check("a large yellow star on a blue background", 2),
    round_trip_check("two red circles on a blue background", 3),
    round_trip_check("a green square left of a purple circle", 4),
)
