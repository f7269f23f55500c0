"""The whole loop: a sentence is spoken, heard, drawn and seen, and comes back with the same meaning."""

from tests.meaning.drawing import SIDE
from tests.meaning.face import Check, Face
from tests.meaning.judging import says
from tests.meaning.seeing import DESCRIBE


def comes_back(sentence: str, seed: int) -> Check:
    """A sentence that must survive all four models."""

    async def run(face: Face) -> None:
        heard = (await face.hear(await face.say(sentence))).text.strip()
        seen = await face.see(await face.draw(heard, width=SIDE, height=SIDE, seed=seed), DESCRIBE)
        assert says(seen, sentence), f"{sentence!r} was heard as {heard!r} and seen as {seen!r}"

    return Check(f"the loop: {sentence}", run)


LOOP = (
    comes_back("a red circle above a blue square", 1),
    comes_back("a large yellow star on a blue background", 2),
    comes_back("two red circles on a blue background", 3),
    comes_back("a green square left of a purple circle", 4),
)
