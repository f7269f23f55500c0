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

from tests.end_to_end.conftest import BIN_FOLDER, RunningDaemon
from tests.meaning.drawing import IMAGE_CHECKS
from tests.meaning.face import MeaningCheck, SensesClient
from tests.meaning.hearing import ENCODING_CHECKS, TRANSCRIPTION_CHECKS
from tests.meaning.loop import LOOP_CHECKS
from tests.meaning.mcp_face import McpSensesClient
from tests.meaning.openai_faces import OpenAISensesClient, OpenAIStreamingSensesClient
from tests.meaning.seeing import CAPTION_CHECKS, COUNT_CHECKS, FILE_CHECKS, QUESTION_CHECKS
from tests.meaning.speaking import SPEECH_CHECKS

pytestmark = [pytest.mark.engines, pytest.mark.timeout(240)]
STDIO, HTTP, PLAIN, STREAMED = "mcp stdio", "mcp http", "openai", "openai streamed"
FACES = {
    STDIO: McpSensesClient.features,
    HTTP: McpSensesClient.features,
    PLAIN: OpenAISensesClient.features,
    STREAMED: OpenAIStreamingSensesClient.features,
}


def each(faces: Iterable[str], checks: Iterable[MeaningCheck]) -> Iterator[object]:
    """Put each of the faces to each of the checks that it offers something for."""
    for face in faces:
        for check in checks:
            if not check.required_feature or check.required_feature in FACES[face]:
                yield pytest.param(face, check, id=f"{face}: {check}")


# Looking takes a twentieth of a second and is tried everywhere; hearing, speaking and drawing take a second each.
SEEN = [*each(FACES, (*CAPTION_CHECKS, *QUESTION_CHECKS)), *each((STDIO, PLAIN), (*FILE_CHECKS, *COUNT_CHECKS))]
HEARD = [
    *each(FACES, TRANSCRIPTION_CHECKS[:1]),
    *each((STDIO,), TRANSCRIPTION_CHECKS[1:]),
    *each((PLAIN,), ENCODING_CHECKS),
]
SPOKE = [*each(FACES, SPEECH_CHECKS[:1]), *each((STREAMED,), SPEECH_CHECKS[1:]), *each((HTTP,), SPEECH_CHECKS[5:6])]
DREW = [*each((PLAIN, STREAMED), IMAGE_CHECKS[:1]), *each((STDIO,), IMAGE_CHECKS)]
LOOPED = [*chain.from_iterable(each((face,), (check,)) for face, check in zip(FACES, LOOP_CHECKS, strict=True))]


@pytest.fixture(scope="module")
async def faces(served: RunningDaemon) -> AsyncGenerator[Mapping[str, SensesClient]]:
    """Every face, connected once for all its checks."""
    shim = StdioServerParameters(command=str(BIN_FOLDER / "senses-mcp"), env={"SENSES_HOME": str(served.home)})
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="senses-shown-")))
        client = await stack.enter_async_context(
            AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)
        )
        yield {
            STDIO: McpSensesClient(await stack.enter_async_context(Client(shim)), folder),
            HTTP: McpSensesClient(await stack.enter_async_context(Client(f"{served.url}/mcp")), folder),
            PLAIN: OpenAISensesClient(client),
            STREAMED: OpenAIStreamingSensesClient(client),
        }


@pytest.mark.promise("meaning:seen")
@pytest.mark.parametrize(("face", "check"), SEEN)
async def test_what_is_shown_is_seen(faces: Mapping[str, SensesClient], face: str, check: MeaningCheck) -> None:
    await check.run(faces[face])


@pytest.mark.promise("meaning:heard")
@pytest.mark.parametrize(("face", "check"), HEARD)
async def test_what_is_said_is_heard(faces: Mapping[str, SensesClient], face: str, check: MeaningCheck) -> None:
    await check.run(faces[face])


@pytest.mark.promise("meaning:spoken")
@pytest.mark.parametrize(("face", "check"), SPOKE)
async def test_what_is_written_is_spoken(faces: Mapping[str, SensesClient], face: str, check: MeaningCheck) -> None:
    await check.run(faces[face])


@pytest.mark.promise("meaning:drawn")
@pytest.mark.parametrize(("face", "check"), DREW)
async def test_what_is_asked_for_is_drawn(faces: Mapping[str, SensesClient], face: str, check: MeaningCheck) -> None:
    await check.run(faces[face])


@pytest.mark.promise("meaning:loop")
@pytest.mark.parametrize(("face", "check"), LOOPED)
async def test_a_sentence_comes_back_with_its_meaning(
    faces: Mapping[str, SensesClient], face: str, check: MeaningCheck
) -> None:
    await check.run(faces[face])
