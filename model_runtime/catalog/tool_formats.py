"""How families of models write calls of tools: found by the template, as mlx-lm and mlx-vlm find their parsers.

Sources: `_infer_tool_parser` of mlx_lm/tokenizer_utils.py and `SPECS` of mlx_vlm/tools/registry.py. Llama's format is
that of its own template; neither library has a parser for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_runtime.catalog.chat_template import ChatTemplate, read_chat_template
from model_runtime.catalog.model import Model
from model_runtime.requests import Task

TEXT_ENGINE = "mlx-lm"
TOOL_ABILITY = "tools"
"""The ability of a model that can call tools."""
ANY_TEXT = r"(.|\n)*"


@dataclass(frozen=True, slots=True)
class JsonCall:
    """A call with its arguments as a JSON object between two texts. `$name` stands for the tool's name."""

    before: str
    after: str

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts that it is made of."""
        return self.before, self.after


@dataclass(frozen=True, slots=True)
class TaggedCall:
    """A call with a mark before each argument. `$name` stands for the tool's name, `$key` for the argument's.

    Texts stand as they are, matching `text`, or in `quote`, or as JSON; every other value is JSON.
    """

    before: str
    key: str
    value_end: str
    after: str
    separator: str = ""
    quote: str = ""
    text: str = ANY_TEXT
    has_json_texts: bool = False
    has_nested_values: bool = True

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts that it is made of."""
        return self.before, self.key, self.quote, self.value_end, self.separator, self.after


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """The calls of a family: from one of `starts` to `end`, or to the end of the answer where `end` is "".

    `template_marks` tell the family: a template has all marks of one of the groups. `parser` is the module that reads
    what is between; it also gets the start where that `is_start_content`. `starts_answer_only` are further starts, which
    count at the beginning of an answer. `forced` is how a call is written that must be made; None if it cannot be forced.
    """

    name: str
    template_marks: tuple[tuple[str, ...], ...]
    parser: str
    starts: tuple[str, ...]
    end: str
    forced: JsonCall | TaggedCall | None
    starts_answer_only: tuple[str, ...] = ()
    is_start_content: bool = False
    between: str = ""
    """What stands between two calls of one answer."""
    id_characters: int = 0
    """The length of the ids of calls that the template takes; 0 for any."""

    @property
    def has_several_calls(self) -> bool:
        """Whether an answer can be made to have several calls."""
        return self.end != ""


def _mlx_lm(name: str) -> str:
    return f"mlx_lm.tool_parsers.{name}"


def _mlx_vlm(name: str) -> str:
    return f"mlx_vlm.tools.parsers.{name}"


TOOL_FORMATS = (
    ToolFormat(
        "minimax_m3",
        (("]<]minimax[>[<tool_call>",),),
        _mlx_vlm("minimax_m3"),
        ("]<]minimax[>[<tool_call>",),
        "]<]minimax[>[</tool_call>",
        None,
    ),
    ToolFormat(
        "minimax_m2",
        (("<minimax:tool_call>",),),
        _mlx_lm("minimax_m2"),
        ("<minimax:tool_call>",),
        "</minimax:tool_call>",
        TaggedCall('\n<invoke name="$name">\n', '<parameter name="$key">', "</parameter>\n", "</invoke>\n"),
        between="\n",
    ),
    ToolFormat(
        "gemma4",
        (("<|tool_call>", "<tool_call|>"),),
        _mlx_lm("gemma4"),
        ("<|tool_call>",),
        "<tool_call|>",
        TaggedCall(
            "call:$name{", "$key:", "", "}", separator=",", quote='<|"|>', text=r"[^<]*", has_nested_values=False
        ),
    ),
    ToolFormat(
        "function_gemma",
        (("<start_function_call>",),),
        _mlx_lm("function_gemma"),
        ("<start_function_call>",),
        "<end_function_call>",
        TaggedCall(
            "call:$name{", "$key:", "", "}", separator=",", quote="<escape>", text=r"[^<}]*", has_nested_values=False
        ),
    ),
    ToolFormat(
        "longcat",
        (("<longcat_tool_call>",),),
        _mlx_lm("longcat"),
        ("<longcat_tool_call>",),
        "</longcat_tool_call>",
        JsonCall('\n{"name": "$name", "arguments": ', "}\n"),
        between="\n",
    ),
    ToolFormat(
        "glm47",
        (("<arg_key>",),),
        _mlx_lm("glm47"),
        ("<tool_call>",),
        "</tool_call>",
        TaggedCall("$name\n", "<arg_key>$key</arg_key>\n<arg_value>", "</arg_value>\n", ""),
        between="\n",
    ),
    ToolFormat(
        "pythonic",
        (("<|tool_list_start|>",), ("<|tool_call_start|>",)),
        _mlx_lm("pythonic"),
        ("<|tool_call_start|>",),
        "<|tool_call_end|>",
        TaggedCall("[$name(", "$key=", "", ")]", separator=", ", has_json_texts=True),
    ),
    ToolFormat(
        "qwen3_coder",
        (("<tool_call>\\n<function=",), ("<tool_call>\n<function=",)),
        _mlx_lm("qwen3_coder"),
        ("<tool_call>",),
        "</tool_call>",
        TaggedCall("\n<function=$name>\n", "<parameter=$key>\n", "\n</parameter>\n", "</function>\n"),
        between="\n",
    ),
    ToolFormat(
        "kimi_k2",
        (("<|tool_calls_section_begin|>",),),
        _mlx_lm("kimi_k2"),
        ("<|tool_calls_section_begin|>",),
        "<|tool_calls_section_end|>",
        JsonCall("<|tool_call_begin|>functions.$name:0<|tool_call_argument_begin|>", "<|tool_call_end|>"),
    ),
    ToolFormat(
        "minicpm5",
        (('<function name="', '<param name="'),),
        _mlx_lm("minicpm5"),
        ("<function name=",),
        "</function>",
        TaggedCall('"$name">', '<param name="$key">', "</param>", "", text=r"[^<&]*"),
    ),
    ToolFormat(
        "mistral",
        (("[TOOL_CALLS]", "[ARGS]"),),
        _mlx_lm("mistral"),
        ("[TOOL_CALLS]",),
        "",
        JsonCall("$name[ARGS]", ""),
        id_characters=9,
    ),
    ToolFormat(
        "mistral_v3",
        (("[TOOL_CALLS]",),),
        _mlx_lm("mistral"),
        ("[TOOL_CALLS]",),
        "",
        JsonCall('[{"name": "$name", "arguments": ', "}]"),
        id_characters=9,
    ),
    ToolFormat(
        "muse_spark",
        (("<atem:function_calls>",),),
        _mlx_lm("muse_spark"),
        ("<atem:function_calls>",),
        "</atem:function_calls>",
        TaggedCall(
            '\n<atem:invoke name="$name">\n',
            '<atem:parameter name="$key">',
            "</atem:parameter>\n",
            "</atem:invoke>\n",
            has_json_texts=True,
        ),
    ),
    ToolFormat(
        "cohere2_moe",
        (("<|START_ACTION|>",),),
        _mlx_vlm("cohere2_moe"),
        ("<|START_ACTION|>",),
        "<|END_ACTION|>",
        JsonCall('[{"tool_call_id": "0", "tool_name": "$name", "parameters": ', "}]"),
    ),
    ToolFormat(
        "harmony",
        (("<|channel|>commentary", "<|call|>"),),
        _mlx_vlm("harmony"),
        ("<|channel|>commentary to=",),
        "<|call|>",
        JsonCall("functions.$name <|constrain|>json<|message|>", ""),
    ),
    ToolFormat(
        "kimi_k3",
        (("<|open|>tools<|sep|>",),),
        _mlx_lm("kimi_k3"),
        ("<|open|>tools<|sep|>",),
        "<|close|>tools<|sep|>",
        JsonCall(
            '<|open|>call tool="$name" index="1"<|sep|><|open|>json type="object"<|sep|>',
            "<|close|>json<|sep|><|close|>call<|sep|>",
        ),
    ),
    ToolFormat(
        "json_tools",
        (("<tool_call>", "tool_call.name"),),
        _mlx_lm("json_tools"),
        ("<tool_call>",),
        "</tool_call>",
        JsonCall('\n{"name": "$name", "arguments": ', "}\n"),
        between="\n",
    ),
    ToolFormat(
        "llama",
        (('{"name": function name, "parameters": dictionary',),),
        "model_runtime.engines.chat.llama_tool_calls",
        ("<|python_tag|>",),
        "",
        JsonCall('{"name": "$name", "parameters": ', "}"),
        starts_answer_only=('{"name"', '{"type": "function"', '{"function"'),
        is_start_content=True,
    ),
)
"""The first one that matches counts."""
PARSER_NAMES = {"laguna": "glm47"}
"""Names of parsers in mlx-lm that are another one's."""
FORMAT_BY_TOKEN = {"<|open|>": "kimi_k3", "<|tool_call_start|>": "pythonic"}
"""Tokens that tell the family where the template does not."""


def find_tool_format(template: ChatTemplate) -> ToolFormat | None:
    """Return the format of a template; None if it knows no tools, or in a form that no parser reads."""
    by_name = {known.name: known for known in TOOL_FORMATS}
    named = by_name.get(PARSER_NAMES.get(template.tool_parser, template.tool_parser))
    if named:
        return named
    for known in TOOL_FORMATS:
        if any(all(mark in template.source for mark in marks) for marks in known.template_marks):
            return known
    by_token = [name for token, name in FORMAT_BY_TOKEN.items() if token in template.added_tokens and template.source]
    return by_name[by_token[0]] if by_token else None


def read_tool_format(folder: Path, *, has_processor: bool) -> ToolFormat | None:
    """Return the format in which the model of a checkpoint calls tools; None if it cannot."""
    return find_tool_format(read_chat_template(folder, has_processor=has_processor))


def tool_format_of(model: Model, folders: Mapping[str, Path]) -> ToolFormat | None:
    """Return the format in which a model calls tools; None if it cannot. `folders` are empty if it is missing."""
    if model.task not in {Task.TEXT, Task.VISION} or "model" not in folders:
        return None
    return read_tool_format(folders["model"], has_processor=model.engine != TEXT_ENGINE)
