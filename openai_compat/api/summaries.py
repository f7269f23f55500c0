"""Summaries of transcripts by a language model, in parts where a transcript exceeds its context."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from model_runtime.errors import ContextExceeded
from model_runtime.events import ChatResult, Event, Progress
from model_runtime.formats.sentence_ends import split_off_sentences
from model_runtime.requests import Chat, Message
from model_runtime.service import Service
from openai_compat.api.generation import collect_result

SUMMARY_PROMPT = (
    "Summarise this voice memo in {language}, in one to three short sentences, without a list. "
    "Keep names, dates and tasks.{instructions}\n\nThe voice memo:\n{text}"
)
NOTES_PROMPT = (
    "This is a part of a long voice memo. Write down in {language}, in a few short sentences, what matters in it. "
    "Keep names, dates and tasks.\n\nThe part:\n{text}"
)
MAX_ANSWER_TOKENS = 600
PROMPT_TOKENS = 200
"""Of our own words and the model's template, generously."""
CHARACTERS_PER_TOKEN = 2
"""Fewer than English has, which is about four. Where a language has fewer still, the parts become smaller."""
UNKNOWN_CONTEXT_TOKENS = 4096
MIN_PART_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Summariser:
    """Writes summaries in `language` with one model, whose context is `context_tokens`, 0 if that is unknown."""

    service: Service
    model: str
    context_tokens: int
    language: str
    instructions: str = ""
    client: str = ""
    keep_alive_seconds: float | None = None

    async def run(self, text: str) -> AsyncGenerator[Event]:
        """Yield `Progress` in parts of a long text, then the events of the chat that writes the summary.

        Raises:
            ContextExceeded: the model's context is too small for any part.
            SensesError: a chat fails.
        """
        characters = part_characters(self.context_tokens)
        while True:
            try:
                async with aclosing(self._summarise(text, characters)) as events:
                    async for event in events:
                        yield event
            except ContextExceeded:  # told before the first word is written
                if characters <= MIN_PART_CHARACTERS:
                    raise
                characters //= 2
            else:
                return

    async def _summarise(self, text: str, characters: int) -> AsyncGenerator[Event]:
        while len(text) > characters:
            parts = list(split_parts(text, characters))
            notes = []
            for done, part in enumerate(parts):
                yield Progress("parts", done, len(parts))
                notes.append((await self._note(part))[: characters // 3])  # two notes are shorter than a part: it ends
            text = "\n".join(notes)
        async with aclosing(self._chat(SUMMARY_PROMPT, text)) as events:
            async for event in events:
                yield event

    async def _note(self, part: str) -> str:
        _, result = await collect_result(self._chat(NOTES_PROMPT, part), ChatResult)
        return result.text.strip()

    def _chat(self, prompt: str, text: str) -> AsyncGenerator[Event]:
        instructions = f" {self.instructions}" if self.instructions else ""
        message = Message("user", (prompt.format(language=self.language, instructions=instructions, text=text),))
        chat = Chat(self.model, (message,), max_tokens=MAX_ANSWER_TOKENS)
        return self.service.run(chat, client=self.client, keep_alive_seconds=self.keep_alive_seconds)


def part_characters(context_tokens: int) -> int:
    """Return how many characters of a transcript fit into a context beside the prompt and the answer."""
    tokens = (context_tokens or UNKNOWN_CONTEXT_TOKENS) - PROMPT_TOKENS - MAX_ANSWER_TOKENS
    return max(tokens * CHARACTERS_PER_TOKEN, MIN_PART_CHARACTERS)


def split_parts(text: str, characters: int) -> Iterator[str]:
    """Yield parts of at most so many characters, which end with a sentence where that is possible."""
    while len(text) > characters:
        part, text = split_off_sentences(text, characters)
        yield part
    yield text
