"""Chat templates with tools of four families, shortened to what they write, in the files in which they are published."""

import json
from pathlib import Path

from tests.checkpoints import llama, qwen25_vl
from tests.checkpoints.words import write_json

TURNS = (
    "{%- for message in messages %}"
    "{%- if message.role == 'tool' %}{{- '<|im_start|>user\\n<tool_response>\\n' + message.content }}"
    "{{- '\\n</tool_response><|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>' + message.role }}"
    "{%- if message.content or not message.tool_calls %}{{- '\\n' }}{%- endif %}"
    "{%- if message.content is string %}{{- message.content }}"
    "{%- else %}{%- for part in message.content %}"
    "{{- '<|vision_start|><|image_pad|><|vision_end|>' if part.type == 'image' else part.text }}"
    "{%- endfor %}{%- endif %}"
    "CALLS"
    "{{- '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
QWEN = (
    "{%- if tools %}{{- '<|im_start|>system\\n# Tools\\n<tools>' }}"
    "{%- for tool in tools %}{{- '\\n' + tool | tojson }}{%- endfor %}"
    '{{- \'\\n</tools>\\n<tool_call>\\n{"name": <function-name>, "arguments": <args-json-object>}\\n</tool_call>\' }}'
    "{{- '<|im_end|>\\n' }}{%- endif %}"
) + TURNS.replace(
    "CALLS",
    "{%- for tool_call in message.tool_calls or [] %}{%- set tool_call = tool_call.function %}"
    '{{- \'\\n<tool_call>\\n{"name": "\' + tool_call.name + \'", "arguments": \' + tool_call.arguments | tojson }}'
    "{{- '}\\n</tool_call>' }}{%- endfor %}",
)
QWEN3_CODER = (
    "{%- if tools %}{{- '<|im_start|>system\\n<tools>' }}"
    "{%- for tool in tools %}{{- '\\n<name>' + tool.function.name + '</name>' }}{%- endfor %}"
    "{{- '\\n</tools>\\n<tool_call>\\n<function=example_function_name>\\n</function>\\n</tool_call><|im_end|>\\n' }}"
    "{%- endif %}"
) + TURNS.replace(
    "CALLS",
    "{%- for tool_call in message.tool_calls or [] %}{%- set tool_call = tool_call.function %}"
    "{{- '\\n<tool_call>\\n<function=' + tool_call.name + '>\\n' }}"
    "{%- for name, value in tool_call.arguments | items %}"
    "{{- '<parameter=' + name + '>\\n' + value | string + '\\n</parameter>\\n' }}{%- endfor %}"
    "{{- '</function>\\n</tool_call>' }}{%- endfor %}",
)
THINKING = QWEN.replace("assistant\\n' }}{%- endif %}", "assistant\\n<think>\\n' }}{%- endif %}")
"""Opens the thinking itself, as those of QwQ and DeepSeek-R1 do."""
LLAMA = (
    "{{- bos_token }}"
    "{%- for message in messages %}"
    "{%- if message.role == 'tool' %}{{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' }}"
    "{{- message.content | tojson + '<|eot_id|>' }}"
    "{%- elif message.tool_calls %}"
    "{%- if message.tool_calls | length != 1 %}{{- raise_exception('This model only supports single tool-calls at once!') }}"
    "{%- endif %}{%- set tool_call = message.tool_calls[0].function %}"
    '{{- \'<|start_header_id|>assistant<|end_header_id|>\\n\\n{"name": "\' + tool_call.name + \'", "parameters": \' }}'
    "{{- tool_call.arguments | tojson + '}<|eot_id|>' }}"
    "{%- else %}{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}"
    "{%- if tools and message.role == 'user' and loop.first %}"
    '{{- \'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.\\n\' }}'
    "{%- for tool in tools %}{{- tool | tojson(indent=4) + '\\n\\n' }}{%- endfor %}{%- endif %}"
    "{{- message.content + '<|eot_id|>' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)


def build_qwen(folder: Path) -> Path:
    """Write a text model with Qwen's template in chat_template.jinja."""
    return _with_jinja(llama.build(folder), QWEN)


def build_qwen3_coder(folder: Path) -> Path:
    """Write a text model with the template of Qwen3-Coder, whose calls are not JSON."""
    return _with_jinja(llama.build(folder), QWEN3_CODER)


def build_thinking(folder: Path) -> Path:
    """Write a text model whose template opens the thinking."""
    return _with_jinja(llama.build(folder), THINKING)


def build_llama(folder: Path) -> Path:
    """Write a text model with the template of Llama 3.2 in tokenizer_config.json."""
    return _with_entry(llama.build(folder), LLAMA)


def build_hermes(folder: Path) -> Path:
    """Write a text model with two templates in tokenizer_config.json, one of them for tools, as Hermes 3 has."""
    named = [{"name": "default", "template": llama.TEMPLATE}, {"name": "tool_use", "template": QWEN}]
    return _with_entry(llama.build(folder), named)


def build_wide(folder: Path, *, words: int) -> Path:
    """Write a large text model with Qwen's template and a vocabulary of so many words."""
    return _with_jinja(llama.build_large(folder, words=words), QWEN)


def with_qwen_template(source: Path, folder: Path) -> Path:
    """Write a folder with links to a checkpoint, and Qwen's template beside them."""
    folder.mkdir(parents=True)
    for file in source.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    return _with_jinja(folder, QWEN)


def build_qwen_vl(folder: Path) -> Path:
    """Write a vision model with Qwen's template in chat_template.json, as Qwen3-VL has it."""
    qwen25_vl.build(folder)
    write_json(folder / "chat_template.json", {"chat_template": QWEN})
    return folder


def _with_jinja(folder: Path, template: str) -> Path:
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


def _with_entry(folder: Path, template: object) -> Path:
    file = folder / "tokenizer_config.json"
    write_json(file, {**json.loads(file.read_text()), "chat_template": template})
    return folder
