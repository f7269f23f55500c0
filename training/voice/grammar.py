"""The world's sentences as a JSGF grammar, for recognisers that want one: https://www.w3.org/TR/jsgf

The counterpart of `world.sentence`: it allows what that draws, each kind of sentence as likely as any other.
"""

from collections.abc import Iterable, Iterator

from training import world

NAME = "world"
MOST_DIGITS, MOST_NUMBERS, MOST_LETTERS = 6, 3, 4


def jsgf() -> str:
    """Write the whole grammar; its public rule is `sentence`."""
    lines = (f"{'public ' if name == 'sentence' else ''}<{name}> = {rule};" for name, rule in _rules())
    return "\n".join(["#JSGF V1.0;", f"grammar {NAME};", *lines]) + "\n"


def _rules() -> Iterator[tuple[str, str]]:
    yield "color", _any(world.COLORS)
    yield "shape", _any(world.SHAPES)
    yield "thing", f"a [{_any(world.SIZES)}] <color> <shape>"
    yield "behind", "on a <color> background"
    yield "counted", f"({_any(world.COUNTS.values())}) <color> ({_any(f'{shape}s' for shape in world.SHAPES)})"
    yield "related", _any(f"<thing> {relation} <thing> [{relation} <thing>]" for relation in world.RELATIONS)
    yield "scene", "(<thing> | <counted>) [<behind>] | <related>"
    yield "digit", _any(world.DIGITS)
    yield "number", f"<digit> | {_any(world.TEENS)} | ({_any(world.TENS)}) [<digit>]"
    yield "letter", _any(world.LETTERS)
    yield "command", _any(_commands())
    yield "courtesy", _any((*world.COURTESIES, *world.SHORT_COMMANDS))
    yield "sentence", _any(_sentences())


def _sentences() -> Iterator[str]:
    yield _up_to(MOST_DIGITS, "<digit>")
    yield f"[number] {_up_to(MOST_NUMBERS, '<number>')}"
    yield f"letter {_up_to(MOST_LETTERS, '<letter>')}"
    yield "<courtesy> | <command>"
    yield f"[{_any(world.VERBS)}] <scene>"


def _commands() -> Iterator[str]:
    endings = _any(sorted({ending for ending in world.ENDINGS if ending}))
    for actions, things in world.ACTIONS.items():
        said = f"({_any(actions)}) the ({_any(things)})"
        yield f"{said} [{endings}] | please {said}"


def _any(choices: Iterable[str]) -> str:
    return " | ".join(choices)


def _up_to(most: int, rule: str) -> str:
    """Repeat a rule one to `most` times."""
    return rule if most == 1 else f"{rule} [{_up_to(most - 1, rule)}]"
