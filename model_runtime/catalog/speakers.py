"""Which model speaks a text: the one that its name means, or another that can when the caller left the model open."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from model_runtime.catalog.builtin_models import ALIASES_BY_TIER, REAL_MODELS
from model_runtime.catalog.languages import guess_language, language_code, language_name
from model_runtime.catalog.model import Model
from model_runtime.catalog.voices import (
    LANGUAGES_BY_ALIAS,
    MODEL_VOICE_NAMES,
    OPENAI_VOICES,
    unsupported_language,
)
from model_runtime.requests import Speak, Task
from model_runtime.sizes import format_bytes


@dataclass(frozen=True, slots=True)
class Speaker:
    """The model that speaks a text; `warning` says why another one was meant."""

    model: Model
    warning: str = ""


def choose_speaker(
    request: Speak,
    model: Model,
    *,
    languages_of: Callable[[Model], Sequence[str]],
    installed: Callable[[], Iterable[Model]],
    is_named: bool,
) -> Speaker:
    """Return who speaks: `model` or, if it cannot speak the text and is not named, the first installed model that can.

    `languages_of` returns the codes of a model's languages, none if they are not known. `installed` returns the speech
    models that can be used, the preferred ones first.

    Raises:
        InvalidInput: no model that may be taken speaks the language; the message says how to get one that does.
    """
    language, spoken = language_of(request), languages_of(model)
    if not language or not spoken or language in spoken:
        return Speaker(model)
    able = next((other for other in installed() if language in languages_of(other)), None)
    if able and not is_named and has_open_voice(request):
        return Speaker(able, f"{model.name} cannot speak {language_name(language)}, so {able.name} spoke the text.")
    param = "language" if request.language else "text"
    raise unsupported_language(model.name, language, spoken, param=param, advice=advice(language, able))


def language_of(request: Speak) -> str:
    """Return the code of the language of a text, "" if it is not sure. A language that does not exist is refused later."""
    return language_code(request.language) if request.language else guess_language(request.text)


def has_open_voice(request: Speak) -> bool:
    """Return whether every model has the requested voice: none, or one of OpenAI's, which stands for a similar one."""
    return request.voice.strip().lower() in {*MODEL_VOICE_NAMES, *OPENAI_VOICES}


def by_preference(models: Iterable[Model]) -> list[Model]:
    """Return the models in the order in which they are taken: aliases, other real models, starters."""
    order = ALIASES_BY_TIER[Task.SPEECH]["auto"]
    places = {alias: place for place, alias in enumerate(order)}
    return sorted(models, key=lambda model: (model.starter, places.get(model.name, len(order))))


def advice(language: str, able: Model | None) -> str:
    """Return a sentence that says which model speaks a language, and how to get it if `able`, an installed one, is None."""
    if able:
        return f"Use model {able.name} with a voice of its own."
    sizes = {model.name: model.download_bytes for model in REAL_MODELS}
    aliases = [alias for alias in ALIASES_BY_TIER[Task.SPEECH]["auto"] if language in LANGUAGES_BY_ALIAS[alias]]
    if not aliases:
        return "No built-in model can."
    alias = aliases[0]
    return f"{alias} ({format_bytes(sizes[alias])}) can, and is not on this machine. Run: senses pull {alias}"
