"""The meaning of OpenAI's and Anthropic's model names: each family of names has its tasks and a tier of ours.

Both date their names and add new ones, so a family is a pattern: clients of 2024 and of next year both work.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from model_runtime.catalog.builtin_models import ALIASES_BY_TIER
from model_runtime.requests import Task

CHAT = (Task.TEXT, Task.VISION)


@dataclass(frozen=True, slots=True)
class OpenAIFamily:
    """Names in lower case that `pattern` matches mean `tier` of `tasks`, the first of which is the usual one.

    Anthropic's are among them.
    """

    pattern: str
    tasks: tuple[Task, ...]
    tier: str


OPENAI_FAMILIES = (
    OpenAIFamily(r"whisper-1", (Task.TRANSCRIPTION,), "auto"),
    OpenAIFamily(r"gpt-realtime-whisper(-.+)?", (Task.TRANSCRIPTION,), "fast"),
    OpenAIFamily(r"gpt-(.+-)?mini-transcribe(-.+)?", (Task.TRANSCRIPTION,), "fast"),
    OpenAIFamily(r"gpt-.+-transcribe(-.+)?", (Task.TRANSCRIPTION,), "best"),
    OpenAIFamily(r"gpt-transcribe(-.+)?", (Task.TRANSCRIPTION,), "auto"),
    OpenAIFamily(r"tts-1-hd(-.+)?", (Task.SPEECH,), "best"),
    OpenAIFamily(r"tts-1(-.+)?|gpt-(.+-)?tts(-.+)?", (Task.SPEECH,), "auto"),
    OpenAIFamily(r"text-embedding-.+", (Task.EMBEDDING,), "auto"),
    OpenAIFamily(r"gpt-image-(.+-)?mini(-.+)?|dall-e-2", (Task.IMAGE,), "fast"),
    OpenAIFamily(r"dall-e-3", (Task.IMAGE,), "best"),
    OpenAIFamily(r"(chat)?gpt-image-.+", (Task.IMAGE,), "auto"),
    OpenAIFamily(r"(gpt-\d+(\.\d+)?o?|gpt-audio|o\d|codex)(-.+)?-(mini|nano)(-.+)?", CHAT, "fast"),
    OpenAIFamily(r"gpt-3\.5(-.+)?|(davinci|babbage)-002", CHAT, "fast"),
    OpenAIFamily(r"(gpt-([5-9]|\d\d)(\.\d+)?|o\d)(-.+)?", CHAT, "best"),
    OpenAIFamily(r"gpt-4(\.\d+)?o?(-.+)?|chatgpt-.+|gpt-audio(-.+)?", CHAT, "auto"),
    OpenAIFamily(r"claude-(.+-)?(haiku|instant)(-.+)?", CHAT, "fast"),
    OpenAIFamily(r"claude-.+", CHAT, "best"),
)
"""The first family that matches counts."""

OTHER_NAMES = re.compile(r"gpt-oss.*|.+-(realtime(?!-whisper)|search|deep-research)(-.+)?|.*/.*")
"""Names that no family may take: open weights, what Senses does not do, and repositories."""
MAX_NAME_CHARACTERS = 64
"""Longer names are none of theirs; matching them would take long."""


def openai_family(name: str) -> OpenAIFamily | None:
    """Return the family of one of OpenAI's or Anthropic's model names, None for any other name."""
    requested = name.strip().lower()
    if len(requested) > MAX_NAME_CHARACTERS or OTHER_NAMES.fullmatch(requested):
        return None
    return next((family for family in OPENAI_FAMILIES if re.fullmatch(family.pattern, requested)), None)


def tier_of(name: str, task: Task) -> str:
    """Return the tier that `name` means for `task`: itself, that of OpenAI's name, "auto" for ""; else ""."""
    requested = name.strip().lower() or "auto"
    tiers: Mapping[str, object] = ALIASES_BY_TIER[task]
    if requested in tiers:
        return requested
    family = openai_family(requested)
    return family.tier if family and task in family.tasks else ""
