"""Every face of Senses, put to the same checks: what was shown, heard, said and drawn means what it should.

The table is `tests.meaning.checks`; `tests/mutations` proves that a defect in the media path makes one of it fail.
"""

import tempfile
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from itertools import chain
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from openai import AsyncOpenAI

from tests.end_to_end.conftest import BIN, Served
from tests.meaning.drawing import DRAWN
from tests.meaning.face import Check, Face
from tests.meaning.hearing import RECORDED, SAID
from tests.meaning.loop import LOOP
from tests.meaning.mcp_face import McpFace
from tests.meaning.openai_faces import OpenAIFace, OpenAIStreamFace
from tests.meaning.seeing import ASKED, COUNTED, FILES, SHOWN
from tests.meaning.speaking import SPOKEN

pytestmark = [pytest.mark.engines, pytest.mark.timeout(240)]
STDIO, HTTP, PLAIN, STREAMED = "mcp stdio", "mcp http", "openai", "openai streamed"
FACES = {STDIO: McpFace.offers, HTTP: McpFace.offers, PLAIN: OpenAIFace.offers, STREAMED: OpenAIStreamFace.offers}


def each(faces: Iterable[str], checks: Iterable[Check]) -> Iterator[object]:
    """Put each of the faces to each of the checks that it offers something for."""
    for face in faces:
        for check in checks:
            if not check.needs or check.needs in FACES[face]:
                yield pytest.param(face, check, id=f"{face}: {check}")


# Looking takes a twentieth of a second and is tried everywhere; hearing, speaking and drawing take a second each.
SEEN = [*each(FACES, (*SHOWN, *ASKED)), *each((STDIO, PLAIN), (*FILES, *COUNTED))]
HEARD = [*each(FACES, SAID[:1]), *each((STDIO,), SAID[1:]), *each((PLAIN,), RECORDED)]
SPOKE = [*each(FACES, SPOKEN[:1]), *each((STREAMED,), SPOKEN[1:]), *each((HTTP,), SPOKEN[5:6])]
DREW = [*each((PLAIN, STREAMED), DRAWN[:1]), *each((STDIO,), DRAWN)]
LOOPED = [*chain.from_iterable(each((face,), (check,)) for face, check in zip(FACES, LOOP, strict=True))]


@pytest.fixture(scope="module")
async def faces(served: Served) -> AsyncGenerator[Mapping[str, Face]]:
    """Every face, connected once for all its checks."""
    shim = StdioServerParameters(command=str(BIN / "senses-mcp"), env={"SENSES_HOME": str(served.home)})
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="senses-shown-")))
        client = await stack.enter_async_context(
            AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)
        )
        yield {
            STDIO: McpFace(await stack.enter_async_context(Client(shim)), folder),
            HTTP: McpFace(await stack.enter_async_context(Client(f"{served.url}/mcp")), folder),
            PLAIN: OpenAIFace(client),
            STREAMED: OpenAIStreamFace(client),
        }


@pytest.mark.promise("meaning:seen")
@pytest.mark.parametrize(("face", "check"), SEEN)
async def test_what_is_shown_is_seen(faces: Mapping[str, Face], face: str, check: Check) -> None:
    await check.run(faces[face])


@pytest.mark.promise("meaning:heard")
@pytest.mark.parametrize(("face", "check"), HEARD)
async def test_what_is_said_is_heard(faces: Mapping[str, Face], face: str, check: Check) -> None:
    await check.run(faces[face])


@pytest.mark.promise("meaning:spoken")
@pytest.mark.parametrize(("face", "check"), SPOKE)
async def test_what_is_written_is_spoken(faces: Mapping[str, Face], face: str, check: Check) -> None:
    await check.run(faces[face])


@pytest.mark.promise("meaning:drawn")
@pytest.mark.parametrize(("face", "check"), DREW)
async def test_what_is_asked_for_is_drawn(faces: Mapping[str, Face], face: str, check: Check) -> None:
    await check.run(faces[face])


@pytest.mark.promise("meaning:loop")
@pytest.mark.parametrize(("face", "check"), LOOPED)
async def test_a_sentence_comes_back_with_its_meaning(faces: Mapping[str, Face], face: str, check: Check) -> None:
    await check.run(faces[face])
