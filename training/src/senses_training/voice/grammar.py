"""The world's sentences as a JSGF grammar, for recognisers that want one: https://www.w3.org/TR/jsgf

The counterpart of `grammar.sentence`: it allows what that draws, each kind of sentence as likely as any other.
"""

from collections.abc import Iterable, Iterator

from starter_world import grammar

NAME = "world"
MOST_DIGITS, MOST_NUMBERS, MOST_LETTERS = 6, 3, 4


def jsgf() -> str:
    """Write the whole grammar; its public rule is `sentence`."""
    lines = (f"{'public ' if name == 'sentence' else ''}<{name}> = {rule};" for name, rule in _rules())
    return "\n".join(["#JSGF V1.0;", f"grammar {NAME};", *lines]) + "\n"


def _rules() -> Iterator[tuple[str, str]]:
    yield "color", _any(grammar.COLORS)
    yield "shape", _any(grammar.SHAPES)
    yield "thing", f"a [{_any(grammar.SIZES)}] <color> <shape>"
    yield "behind", "on a <color> background"
    yield "counted", f"({_any(grammar.COUNTS.values())}) <color> ({_any(f'{shape}s' for shape in grammar.SHAPES)})"
    yield "related", _any(f"<thing> {relation} <thing> [{relation} <thing>]" for relation in grammar.RELATIONS)
    yield "scene", "(<thing> | <counted>) [<behind>] | <related>"
    yield "digit", _any(grammar.DIGITS)
    yield "number", f"<digit> | {_any(grammar.TEENS)} | ({_any(grammar.TENS)}) [<digit>]"
    yield "letter", _any(grammar.LETTERS)
    yield "command", _any(_commands())
    yield "courtesy", _any((*grammar.COURTESIES, *grammar.SHORT_COMMANDS))
    yield "sentence", _any(_sentences())


def _sentences() -> Iterator[str]:
    yield _up_to(MOST_DIGITS, "<digit>")
    yield f"[number] {_up_to(MOST_NUMBERS, '<number>')}"
    yield f"letter {_up_to(MOST_LETTERS, '<letter>')}"
    yield "<courtesy> | <command>"
    yield f"[{_any(grammar.VERBS)}] <scene>"


def _commands() -> Iterator[str]:
    endings = _any(sorted({ending for ending in grammar.ENDINGS if ending}))
    for actions, things in grammar.ACTIONS.items():
        said = f"({_any(actions)}) the ({_any(things)})"
        yield f"{said} [{endings}] | please {said}"


def _any(choices: Iterable[str]) -> str:
    return " | ".join(choices)


def _up_to(most: int, rule: str) -> str:
    """Repeat a rule one to `most` times."""
    return rule if most == 1 else f"{rule} [{_up_to(most - 1, rule)}]"
