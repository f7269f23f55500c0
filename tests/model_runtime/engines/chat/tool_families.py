"""A call of `weather` as each family of models writes it, by its published chat template."""

from model_runtime.catalog.tool_formats import TOOL_FORMATS, ToolFormat
from model_runtime.requests import Tool

ARGUMENTS = {"city": "Paris", "days": 2}
WEATHER = Tool(
    "weather",
    "Tell the weather.",
    '{"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}',
)
CLOCK = Tool("clock")
JSON_ARGUMENTS = '{"city": "Paris", "days": 2}'
JSON_CALL = '{"name": "weather", "arguments": ' + JSON_ARGUMENTS + "}"

EXAMPLES = {
    "minimax_m2": '<minimax:tool_call>\n<invoke name="weather">\n<parameter name="city">Paris</parameter>\n'
    '<parameter name="days">2</parameter>\n</invoke>\n</minimax:tool_call>',
    "gemma4": '<|tool_call>call:weather{city:<|"|>Paris<|"|>,days:2}<tool_call|>',
    "function_gemma": "<start_function_call>call:weather{city:<escape>Paris<escape>,days:2}<end_function_call>",
    "longcat": f"<longcat_tool_call>\n{JSON_CALL}\n</longcat_tool_call>",
    "glm47": "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n"
    "<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>",
    "pythonic": '<|tool_call_start|>[weather(city="Paris", days=2)]<|tool_call_end|>',
    "qwen3_coder": "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n"
    "<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>",
    "kimi_k2": "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>"
    f"{JSON_ARGUMENTS}<|tool_call_end|><|tool_calls_section_end|>",
    "minicpm5": '<function name="weather"><param name="city">Paris</param><param name="days">2</param></function>',
    "mistral": f"[TOOL_CALLS]weather[ARGS]{JSON_ARGUMENTS}",
    "mistral_v3": f"[TOOL_CALLS][{JSON_CALL}]",
    "muse_spark": '<atem:function_calls>\n<atem:invoke name="weather">\n<atem:parameter name="city">"Paris"'
    '</atem:parameter>\n<atem:parameter name="days">2</atem:parameter>\n</atem:invoke>\n</atem:function_calls>',
    "cohere2_moe": '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "weather", "parameters": '
    f"{JSON_ARGUMENTS}}}]<|END_ACTION|>",
    "harmony": f"<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{JSON_ARGUMENTS}<|call|>",
    "kimi_k3": '<|open|>tools<|sep|><|open|>call tool="weather" index="1"<|sep|><|open|>json type="object"<|sep|>'
    f"{JSON_ARGUMENTS}<|close|>json<|sep|><|close|>call<|sep|><|close|>tools<|sep|>",
    "json_tools": f"<tool_call>\n{JSON_CALL}\n</tool_call>",
    "llama": '{"name": "weather", "parameters": ' + JSON_ARGUMENTS + "}",
}
"""By the name of the format. What a grammar makes a model write looks like this."""

GLM_47 = (
    "<tool_call>weather<arg_key>city</arg_key><arg_value>Paris</arg_value><arg_key>days</arg_key>"
    "<arg_value>2</arg_value></tool_call>"
)
LONGCAT = (
    "<longcat_tool_call>weather\n<longcat_arg_key>city</longcat_arg_key>\n"
    "<longcat_arg_value>Paris</longcat_arg_value>\n<longcat_arg_key>days</longcat_arg_key>\n"
    "<longcat_arg_value>2</longcat_arg_value>\n</longcat_tool_call>"
)
MINIMAX_M3 = (
    ']<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name="weather">]<]minimax[>[<city>Paris]<]minimax[>[</city>'
    "]<]minimax[>[<days>2]<]minimax[>[</days>]<]minimax[>[</invoke>\n]<]minimax[>[</tool_call>"
)
OTHER_EXAMPLES = [
    ("json_tools", '<tool_call>{"name":"weather","arguments":{"city":"Paris","days":2}}</tool_call>'),
    ("json_tools", '<tool_call>\n{"arguments": {"city": "Paris", "days": 2}, "name": "weather"}\n</tool_call>'),
    ("llama", '<|python_tag|>{"name": "weather", "parameters": {"city": "Paris", "days": 2}}'),
    ("llama", '\n\n{"type": "function", "name": "weather", "parameters": {"city": "Paris", "days": 2}}'),
    ("llama", '{"function": "weather", "parameters": {"city": "Paris", "days": 2}}'),
    ("mistral_v3", '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Paris", "days": 2}, "id": "VvvODy9mT"}]'),
    ("glm47", GLM_47),
    ("longcat", LONGCAT),
    ("minimax_m3", MINIMAX_M3),
]
"""Further forms that models write."""

TEMPLATE_FRAGMENTS = {
    "minimax_m3": "{%- set toolcall_begin_token = ']<]minimax[>[<tool_call>' -%}",
    "minimax_m2": "{%- set toolcall_begin_token = '<minimax:tool_call>' -%}",
    "gemma4": "{{- '<|tool_call>call:' + function['name'] -}} {{- '<tool_call|>' -}}",
    "function_gemma": "{{- '<start_function_call>call:' -}}{{- '<end_function_call>' -}}",
    "longcat": '{{- "<longcat_tool_call>" + tool_call.name }}',
    "glm47": "<tool_call>{{ tc.name }}<arg_key>{{ k }}</arg_key>",
    "pythonic": "{{- '<|tool_list_start|>[' -}}",
    "qwen3_coder": "{{- '\\n<tool_call>\\n<function=' + tool_call.name + '>\\n' }}",
    "kimi_k2": "<|tool_calls_section_begin|>{%- for tool_call in message['tool_calls'] -%}",
    "minicpm5": '<function name="{{ f.name }}"><param name="{{ k }}">',
    "mistral": '{{- "[TOOL_CALLS]" + name + "[ARGS]" + arguments }}',
    "mistral_v3": '{{- "[TOOL_CALLS] [" }}{{- out[:-1] }}',
    "muse_spark": "<atem:function_calls><atem:invoke name=",
    "cohere2_moe": "<|START_ACTION|>[{% for tc in message.tool_calls %}",
    "harmony": "<|channel|>commentary to=functions.{{ tool_call.name }} <|constrain|>json<|message|> <|call|>",
    "json_tools": '{{- \'<tool_call>\\n{"name": "\' }}{{- tool_call.name }}',
    "llama": """{{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.' }}""",
}
"""The part of the published template that tells the family."""


def format_of(name: str) -> ToolFormat:
    """Return a format by its name."""
    return next(tool_format for tool_format in TOOL_FORMATS if tool_format.name == name)
