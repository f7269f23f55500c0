"""Converts the messages of Anthropic's API to the runtime's."""

import json
from collections.abc import Iterable, Sequence
from itertools import chain

from model_runtime.errors import InvalidInput
from model_runtime.media.types import ImageData
from model_runtime.requests import Message, ToolCall
from openai_compat.api.anthropic.blocks import (
    Base64Source,
    Block,
    DocumentBlock,
    ImageBlock,
    PlainTextSource,
    ResultBlock,
    SearchResultBlock,
    TextBlock,
    ThinkingBlock,
    ToolReferenceBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from openai_compat.api.anthropic.body import AnthropicMessage, CountTokensBody
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.messages import MAX_MEDIA

ERROR_PREFIX = "Error: "
"""Tells a model that a tool has failed; templates have no other place for that."""

Content = str | ImageData


class ConversationReader:
    """Reads the messages of one request and loads its images, of which there is a limit."""

    def __init__(self, images: ImageInputs) -> None:
        self._images = images
        self._image_count = 0

    async def read(self, body: CountTokensBody) -> tuple[Message, ...]:
        """Return the messages. Turns of the same role in a row are one, as Anthropic's API has it.

        Raises:
            InvalidInput: there are more than 16 images, or a URL is invalid, not allowed or not fetched.
            InvalidMedia: an image cannot be decoded.
        """
        system = tuple(filter(None, [block.text for block in body.system]))
        turns = [await self._read_turn(message, f"messages[{index}]") for index, message in enumerate(body.messages)]
        return join_turns([*([Message("system", system)] if system else []), *chain.from_iterable(turns)])

    async def _read_turn(self, body: AnthropicMessage, param: str) -> list[Message]:
        """Return a turn: the results of tools first, each as a message, then the rest, to which their images belong."""
        results: list[Message] = []
        content: list[Content] = []
        for index, block in enumerate(body.content):
            place = f"{param}.content[{index}]"
            if isinstance(block, ToolResultBlock):
                parts = await self._read_blocks(block.content, place)
                results.append(to_tool_message(block, parts))
                content += [part for part in parts if isinstance(part, ImageData)]
            else:
                content += await self._read_block(block, place)
        calls = tuple(to_tool_call(block) for block in body.content if isinstance(block, ToolUseBlock))
        turn = Message(body.role, tuple(content), tool_calls=calls)
        return [*results, turn] if content or calls else results

    async def _read_blocks(self, blocks: Sequence[ResultBlock], param: str) -> list[Content]:
        parts = [await self._read_block(block, f"{param}.content[{index}]") for index, block in enumerate(blocks)]
        return [*chain.from_iterable(parts)]

    async def _read_block(self, block: Block | ResultBlock, param: str) -> list[Content]:
        """Return the texts and images of a block; an empty text is none."""
        match block:
            case TextBlock(text=text):
                return [text] if text else []
            case ImageBlock():
                return [await self._load(block, param)]
            case DocumentBlock():
                return await self._read_document(block, param)
            case SearchResultBlock():
                return [f"{block.title}\n{block.source}", *(part.text for part in block.content)]
            case ToolReferenceBlock(tool_name=name):
                return [name]
            case ThinkingBlock() | ToolUseBlock() | ToolResultBlock():
                return []

    async def _read_document(self, block: DocumentBlock, param: str) -> list[Content]:
        """Return what is said about a document, and what it holds."""
        said: list[Content] = [*filter(None, (block.title, block.context))]
        if isinstance(block.source, PlainTextSource):
            return [*said, block.source.data]
        return said + await self._read_blocks(block.source.content, f"{param}.source")

    async def _load(self, block: ImageBlock, param: str) -> ImageData:
        self._image_count += 1
        if self._image_count > MAX_MEDIA:
            raise InvalidInput(
                f"The messages have more than {MAX_MEDIA} images, the limit of a request. Send fewer.", param=param
            )
        source = block.source
        url = f"data:image/*;base64,{source.data}" if isinstance(source, Base64Source) else source.url
        return await self._images.load(url, param=f"{param}.source")


def to_tool_message(block: ToolResultBlock, parts: Iterable[Content]) -> Message:
    """Return the result of a tool as a message of its texts."""
    text = "\n".join(part for part in parts if isinstance(part, str))
    return Message("tool", (f"{ERROR_PREFIX}{text}" if block.is_error else text,), tool_call_id=block.tool_use_id)


def to_tool_call(block: ToolUseBlock) -> ToolCall:
    """Return a call of a tool."""
    return ToolCall(block.id, block.name, json.dumps(block.input, ensure_ascii=False))


def join_turns(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Return the messages with neighbours of the same role as one; each result of a tool stays alone."""
    joined: list[Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last is None or last.role != message.role or message.role == "tool":
            joined.append(message)
            continue
        calls = (*last.tool_calls, *message.tool_calls)
        joined[-1] = Message(message.role, (*last.content, *message.content), tool_calls=calls)
    return tuple(joined)
