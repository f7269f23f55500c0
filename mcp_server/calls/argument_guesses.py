"""Arguments as models guess them: other names and other forms of a value, understood where they have one meaning.

The tables hold for every tool: a guess stands for an argument only where the tool has that argument. What has no meaning
here stays as it is, so that the tool refuses it. Pure.
"""

import json
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FILE_GUESSES = _words(
    "path file file_path filepath filename file_name input input_path input_file uri url source source_path src media "
    "media_path"
)
"""Words for any file: the file that a tool must be given, or else the file that it writes."""
FILE_ARGUMENTS = frozenset({"image", "audio"})

GUESSES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        argument: _words(guesses)
        for argument, guesses in {
            "image": "image_path image_file image_url image_uri img picture picture_path photo photo_path screenshot "
            "screenshot_path input_image init_image source_image reference_image",
            "more_images": "other_images additional_images extra_images",
            "a": "image_a image_1 image1 first first_image before expected reference baseline design original",
            "b": "image_b image_2 image2 second second_image after actual rendering rendered candidate screenshot",
            "audio": "audio_path audio_file audio_url audio_uri recording recording_path sound video video_path "
            "video_file voice_memo input_audio",
            "uri": "url source src input media image_uri audio_uri transcript_uri artifact artifact_uri resource "
            "resource_uri image audio",
            "output_path": "output output_file output_filename output_name out out_path out_file outfile save_path "
            "save_to save_as saved_path destination destination_path dest dest_path target target_path image_path "
            "audio_path export_path write_to",
            "path": "output_path output output_file output_filename out out_path save_path save_to save_as destination "
            "destination_path dest target target_path file filename file_path filepath",
            "prompt": "question query instruction instructions description text message input_text user_prompt "
            "image_prompt text_prompt",
            "text": "input input_text message content prompt sentence script speech words",
            "voice": "voice_id voice_name speaker speaker_id",
            "speed": "rate speech_rate speaking_rate",
            "language": "lang language_code lang_code locale spoken_language input_language",
            "format": "response_format output_format audio_format image_format file_format file_type",
            "model": "model_name model_id engine",
            "count": "n num number num_images number_of_images n_images image_count batch_size keep",
            "candidates": "num_candidates candidate_count best_of",
            "transparent": "transparent_background remove_background transparency",
            "set": "asset_set icon_set",
            "changes": "overrides arguments parameters",
            "steps": "num_steps num_inference_steps inference_steps sampling_steps",
            "seed": "random_seed",
            "strength": "denoising_strength image_strength prompt_strength",
            "play": "play_audio autoplay aloud play_aloud speak_aloud",
            "overwrite": "force replace allow_overwrite overwrite_existing",
            "max_tokens": "max_output_tokens max_new_tokens max_completion_tokens",
            "max_kb": "max_size_kb kb size_kb max_kilobytes",
            "vocabulary": "vocab hotwords keywords key_terms initial_prompt",
            "timestamps": "timestamp_granularity timestamp_granularities timestamp_mode",
            "task": "mode",
            "action": "operation command",
            "job_id": "job id task_id request_id",
            "wait_seconds": "wait timeout timeout_seconds max_wait_seconds",
            "keep_alive": "keepalive ttl",
        }.items()
    }
)
"""Argument → what models call it."""

IMAGE_LIST_GUESSES = _words("images image_paths pictures photos screenshots paths files")
"""One list for the arguments `image` and `more_images`, or for `a` and `b`."""
SIZE_GUESSES = _words("size resolution dimensions image_size output_size")
"""One value for the arguments `width` and `height`."""
PATH_ARGUMENTS = frozenset({"image", "more_images", "a", "b", "audio", "uri", "output_path", "path"})
VALUE_GUESSES = MappingProxyType({"jpg": "jpeg", "txt": "text", "segments": "segment", "words": "word"})
"""Other words for a value out of a list."""
SIZE_PATTERN = re.compile(r"(\d{1,5})(?:px)?[x×*,:](\d{1,5})(?:px)?", re.IGNORECASE)
"""A size without its blanks."""
ESCAPED_CHARACTER = re.compile(r"\\([ ()\[\]&'])")
"""A character as a terminal writes it when a file is dragged into it."""


@dataclass(frozen=True, slots=True)
class UnderstoodArguments:
    """Arguments under the tool's own names, and a note for each that came otherwise."""

    arguments: dict[str, Any]
    notes: tuple[str, ...] = ()


def understand_arguments(given: Mapping[str, Any], schema: Mapping[str, Any]) -> UnderstoodArguments:
    """Return the arguments of a call by the names and forms of `schema`, the tool's JSON schema.

    An argument without a meaning, or with two, keeps its name.
    """
    properties: Mapping[str, Any] = schema["properties"]
    renamed, notes = _rename(_without_empty(given, schema), schema)
    arguments: dict[str, Any] = {}
    for name, value in (_without_empty(renamed, schema) if notes else renamed).items():
        arguments[name], note = _understand_value(name, value, properties.get(name, {}))
        notes += [note] if note else []
    return UnderstoodArguments(arguments, tuple(notes))


def meanings(name: str, given: Collection[str], schema: Mapping[str, Any]) -> list[str]:
    """Return the arguments of a tool for which an unknown name can stand, without those that are `given`."""
    plain, free = _snake_case(name), [argument for argument in schema["properties"] if argument not in given]
    if plain in free:
        return [plain]
    needed = [argument for argument in free if argument in schema.get("required", ())]
    files = {"output_path", *FILE_ARGUMENTS & set(needed)} if plain in FILE_GUESSES else set()
    found = [argument for argument in free if argument in files or plain in GUESSES.get(argument, ())]
    return [argument for argument in found if argument in needed] or found


def _without_empty(given: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out optional arguments that are null, or "" where no text is expected: both mean "not given"."""
    types = {name: about.get("type") for name, about in schema["properties"].items()}
    optional = types.keys() - schema.get("required", ())
    return {
        name: value
        for name, value in given.items()
        if name not in optional or not (value is None or (value == "" and types[name] != "string"))
    }


def _rename(given: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    known = {name: value for name, value in given.items() if name in schema["properties"] and not _is_list(name, value)}
    arguments, notes = dict(known), []
    for name, value in given.items():
        if name in known:
            continue
        found = _spread(name, value, schema) or _single(name, given, schema)
        if found and not found.keys() & arguments.keys():
            arguments |= found
            notes.append(f"{name[:40]!r} was taken for {' and '.join(found)}: that is its name.")
        else:
            arguments[name] = value
    return arguments, notes


def _is_list(name: str, value: object) -> bool:
    """Return whether a value is several images under the name of one."""
    return name == "image" and len(_as_list(value) or ()) > 1


def _single(name: str, given: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    candidates = meanings(name, given, schema)
    return {candidates[0]: given[name]} if len(candidates) == 1 else {}


def _spread(name: str, value: object, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the two arguments for which one value stands, or nothing."""
    plain, known = _snake_case(name), schema["properties"].keys()
    if plain in SIZE_GUESSES and {"width", "height"} <= known:
        return _width_and_height(value)
    if plain in IMAGE_LIST_GUESSES | {"image"} and {"image", "more_images"} <= known:
        images = _as_list(value)
        return {"image": images[0]} | ({"more_images": images[1:]} if images[1:] else {}) if images else {}
    if plain in IMAGE_LIST_GUESSES and {"a", "b"} <= known:
        images = _as_list(value) or []
        return dict(zip("ab", images, strict=True)) if len(images) == 2 else {}
    return {}


def _width_and_height(value: object) -> dict[str, Any]:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"width": value, "height": value}
    text = ",".join(map(str, value)) if isinstance(value, list) else value
    match = SIZE_PATTERN.fullmatch("".join(text.split())) if isinstance(text, str) else None
    return {"width": int(match[1]), "height": int(match[2])} if match else {}


def _understand_value(name: str, value: Any, schema: Mapping[str, Any]) -> tuple[Any, str]:
    """Return a value in the form of its schema, and a note if a path was read in another way than it stands."""
    items = _as_list(value)
    if name not in PATH_ARGUMENTS:
        return (value if items is None else items) if _is_array(schema) else _known_value(value, schema), ""
    if items is None:
        return value, ""
    paths = [_plain_path(item) for item in items]
    plain = paths if _is_array(schema) else paths[0] if len(paths) == 1 else value
    if paths == items:
        return plain, ""
    return plain, f"{name} {_short_json(value)} was read as {_short_json(plain)}."


def _is_array(schema: Mapping[str, Any]) -> bool:
    """Return whether an argument is a list."""
    return schema.get("type") == "array"


def _as_list(value: object) -> list[Any] | None:
    """Return a list, be it one, written as JSON, or a text as its only item; None for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    return value if isinstance(value, list) else [value] if isinstance(value, str) and value else None


def _plain_path(path: Any) -> Any:
    """Return a path without the `@` and quotes of a mention in a chat, and without a terminal's backslashes."""
    if not isinstance(path, str) or path.startswith(("data:", "http:", "https:")):
        return path
    mentioned = path[1:].strip('"') if path.startswith("@") and len(path) > 1 else path
    return ESCAPED_CHARACTER.sub(r"\1", mentioned)


def _known_value(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return the value of an enumeration that a text means, or the value itself."""
    if not isinstance(value, str) or "enum" not in schema:
        return value
    plain = _snake_case(value.lstrip("."))
    found = VALUE_GUESSES.get(plain, plain)
    return found if found in schema["enum"] else value


def _short_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:100]


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip()).replace("-", "_").replace(" ", "_").lower()
