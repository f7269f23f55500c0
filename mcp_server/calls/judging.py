"""Candidates of one prompt: a vision model looks at each and says how well it shows what was asked for.

A real model scores the picture itself. The starter cannot: it says what it sees, and its sentence is compared with the
prompt.
"""

import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from mcp_server.calls.context import AppContext
from mcp_server.calls.jobs import ToolJob
from mcp_server.calls.meaning import agreement
from model_runtime.errors import Cancelled, SensesError
from model_runtime.events import ChatResult
from model_runtime.requests import Chat, Message, Task

QUESTION = (
    "A picture was asked for with the words between the lines.\n---\n{prompt}\n---\nLook at this picture. Say in one "
    "short sentence what of that is missing or wrong in it, or that nothing is. Then score how well the picture shows "
    'what was asked for, from 0 (nothing of it) to 100 (all of it). Answer with JSON: {{"verdict": "…", "score": 0}}.'
)
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "verdict": {"type": "string", "maxLength": 200},
            "score": {"type": "integer", "minimum": 0, "maximum": 100},
        },
        "required": ["verdict", "score"],
        "additionalProperties": False,
    }
)
"""The verdict comes first: a model that has said what is wrong scores better."""
STARTER_QUESTION = "Describe this image in one short sentence."
MAX_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Judgement:
    """How well a picture shows what was asked for: 0 (not at all) to 100, and why."""

    score: int
    verdict: str


@dataclass(frozen=True, slots=True)
class Judge:
    """The vision model that looks at the candidates."""

    model: str
    is_starter: bool

    def chat(self, prompt: str) -> tuple[str, str]:
        """Return the question to ask with a picture, and the JSON schema of the answer ("": free text)."""
        return (STARTER_QUESTION, "") if self.is_starter else (QUESTION.format(prompt=prompt), SCHEMA)

    def read(self, prompt: str, answer: str) -> Judgement:
        """Return the judgement in an answer; an answer without one scores 0."""
        if self.is_starter:
            return Judgement(round(100 * agreement(prompt, answer)), f"It shows: {answer}")
        with suppress(ValueError, TypeError, KeyError):
            fields = json.loads(answer)
            return Judgement(min(max(int(fields["score"]), 0), 100), str(fields["verdict"]))
        return Judgement(0, f"{self.model} gave no judgement.")

    def warnings(self, *, drawn_by_starter: bool) -> list[str]:
        """Return what a user should know of this judge."""
        if not self.is_starter or drawn_by_starter:
            return []
        text = (
            f"{self.model} judged the pictures. It is a tiny built-in model that knows only coloured shapes: for other "
            'pictures its choice means nothing. manage_model(action="download", model="vlm-fast") gets a real one.'
        )
        return [text]


async def find_judge(app: AppContext) -> Judge:
    """Return the vision model that judges.

    Raises:
        SensesError: there is none.
    """
    name = await app.service.resolve("auto", Task.VISION)
    known = app.service.status().model(name)
    return Judge(name, known is not None and known.starter)


async def judge_pictures(
    app: AppContext, judge: Judge, job: ToolJob, prompt: str, pngs: Sequence[bytes]
) -> tuple[list[Judgement], list[str]]:
    """Let the judge look at each picture. Return its judgements, or none and a warning if it fails.

    Raises:
        Cancelled: a request was cancelled.
    """
    question, schema = judge.chat(prompt)
    judgements: list[Judgement] = []
    try:
        for number, png in enumerate(pngs, 1):
            job.progress.begin_part(len(pngs) + number - 1, f"judging picture {number}/{len(pngs)}")
            picture = await app.service.media.decode_image(io.BytesIO(png), param="candidates")
            message = Message("user", (picture, question))
            request = Chat(judge.model, (message,), max_tokens=MAX_TOKENS, json_schema=schema)
            _, answer = await app.run_request(request, job, ChatResult)
            judgements.append(judge.read(prompt, answer.text.strip()))
    except Cancelled:
        raise
    except SensesError as error:
        return [], [f"The pictures were not judged, so the first ones were kept: {error.message}"]
    return judgements, []


def best_first(judgements: Sequence[Judgement]) -> list[int]:
    """Return the numbers of the pictures, the best first, equal ones in the order in which they were drawn."""
    return sorted(range(len(judgements)), key=lambda index: -judgements[index].score)
