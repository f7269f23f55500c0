"""The content of Anthropic's messages: blocks, and which of them a message may hold."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, FailFast, Field

from openai_compat.api.schemas import MAX_PARTS, WireModel, at_most, text_to_parts, unsupported_error

BLOCK_TYPES = ("text", "image", "document", "search_result", "tool_use", "tool_result", "thinking")
NO_FILES = "Senses stores no files. Send the content itself."
ONLY_TEXT = "Documents are taken as text. Send the text, or the pages as images."


def _type_of(value: object) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""


def _refuse_file(source: object) -> object:
    if _type_of(source) == "file":
        raise unsupported_error("A source of type 'file'", NO_FILES)
    return source


def _refuse_pdf(source: object) -> object:
    if _type_of(source) in ("base64", "url"):
        raise unsupported_error("A PDF", ONLY_TEXT)
    return _refuse_file(source)


def _refuse_unknown(block: object) -> object:
    kind = _type_of(block)
    if kind and kind not in (*BLOCK_TYPES, "redacted_thinking", "tool_reference"):
        raise unsupported_error(f"A block of type {kind[:40]!r}", f"Use {', '.join(BLOCK_TYPES)}.")
    return block


class TextBlock(WireModel):
    """A text."""

    type: Literal["text"]
    text: str


class Base64Source(WireModel):
    """A picture in base64. Its content tells the format."""

    type: Literal["base64"]
    media_type: str = ""
    data: str = Field(min_length=1)


class UrlSource(WireModel):
    """A picture at an address."""

    type: Literal["url"]
    url: str = Field(min_length=1)


class ImageTransformations(WireModel):
    """What is done to a picture that is too large for the model: it is made smaller."""

    oversized_image: Literal["downsize"] = "downsize"


class ImageBlock(WireModel):
    """A picture."""

    type: Literal["image"]
    transformations: ImageTransformations = ImageTransformations()
    source: Annotated[Base64Source | UrlSource, Field(discriminator="type"), BeforeValidator(_refuse_file)]


TextOrImage = Annotated[TextBlock | ImageBlock, Field(discriminator="type"), BeforeValidator(_refuse_unknown)]


class PlainTextSource(WireModel):
    """The text of a document."""

    type: Literal["text"]
    data: str


class ContentSource(WireModel):
    """A document as blocks."""

    type: Literal["content"]
    content: Annotated[
        list[TextOrImage],
        FailFast(),
        at_most(MAX_PARTS, "blocks"),
        BeforeValidator(text_to_parts, json_schema_input_type=str | list[TextOrImage]),
    ]


class Citations(WireModel):
    """Whether the answer should cite the document."""

    enabled: bool = False


class DocumentBlock(WireModel):
    """A document of text."""

    type: Literal["document"]
    source: Annotated[PlainTextSource | ContentSource, Field(discriminator="type"), BeforeValidator(_refuse_pdf)]
    title: str = ""
    context: str = ""
    citations: Citations = Citations()


class SearchResultBlock(WireModel):
    """What a search of the client has found."""

    type: Literal["search_result"]
    source: str
    title: str
    content: Annotated[list[TextBlock], FailFast(), at_most(MAX_PARTS, "blocks")]
    citations: Citations = Citations()


class ThinkingBlock(WireModel):
    """What a model thought in an earlier turn. Models are not told of it."""

    type: Literal["thinking", "redacted_thinking"]


class ToolUseBlock(WireModel):
    """A call of a tool in an earlier turn."""

    type: Literal["tool_use"]
    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    input: dict[str, Any] = Field(default_factory=dict)


class ToolReferenceBlock(WireModel):
    """A tool that the client's search of tools has found."""

    type: Literal["tool_reference"]
    tool_name: str


ResultBlock = Annotated[
    TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ToolReferenceBlock,
    Field(discriminator="type"),
    BeforeValidator(_refuse_unknown),
]


class ToolResultBlock(WireModel):
    """What a tool answered."""

    type: Literal["tool_result"]
    tool_use_id: str = Field(min_length=1)
    content: Annotated[
        list[ResultBlock],
        FailFast(),
        at_most(MAX_PARTS, "blocks"),
        BeforeValidator(text_to_parts, json_schema_input_type=str | list[ResultBlock]),
    ] = Field(default_factory=list)
    is_error: bool = False


Block = Annotated[
    TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ThinkingBlock | ToolUseBlock | ToolResultBlock,
    Field(discriminator="type"),
    BeforeValidator(_refuse_unknown),
]
Blocks = Annotated[
    list[Block],
    FailFast(),
    at_most(MAX_PARTS, "blocks"),
    BeforeValidator(text_to_parts, json_schema_input_type=str | list[Block]),
]
SystemBlocks = Annotated[
    list[TextBlock],
    FailFast(),
    at_most(MAX_PARTS, "blocks"),
    BeforeValidator(text_to_parts, json_schema_input_type=str | list[TextBlock]),
]
