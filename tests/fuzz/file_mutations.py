"""Ways in which the files of a model can lie. Each changes a folder and returns what it did, in words."""

import json
import os
import random
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Mutation = Callable[[random.Random, Path], str]

ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    5,
    -1,
    0,
    1.5,
    float("inf"),
    float("nan"),
    10**30,
    "",
    "x",
    "\0",
    "\ud800",
    "../../../etc/passwd",
    "/dev/zero",
    "x" * 255,
    "y" * 5000,
    "\x1b[31m\n",
    [],
    [1, None, "x"],
    [[[]]],
    {},
    {"a": {"b": None}},
    ["XForCausalLM"],
    {"": ""},
)
"""Values of a wrong type, or of a size that no model has."""
RAW_JSON = (b"", b"{", b"[]", b"null", b"\xff\xfe{}", b"[" * 200_000, b'{"a":' * 100_000, b"9" * 100_000, b"\0" * 1000)
LYING_ENTRIES: tuple[Any, ...] = (
    {"dtype": "F32", "shape": [2**62], "data_offsets": [0, 4]},
    {"dtype": "F32", "shape": [1], "data_offsets": [0, 10**18]},
    {"dtype": "F32", "shape": [1], "data_offsets": [8, 4]},
    {"dtype": "F32", "shape": [1] * 5000, "data_offsets": [0, 4]},
    {"dtype": "F32", "shape": [2**53] * 16, "data_offsets": [0, 4]},
    {"dtype": 5, "shape": [1], "data_offsets": [0, 4]},
    {"dtype": "NEW", "shape": ["1"], "data_offsets": [0, 4]},
    {"dtype": "F32", "shape": None, "data_offsets": None},
    {"dtype": "F32", "shape": [True], "data_offsets": [0, True]},
    [],
    7,
)


def files_of(folder: Path) -> list[Path]:
    """Return the files and folders below `folder`, sorted."""
    return sorted(folder.rglob("*"))


def _any_file(rng: random.Random, folder: Path, suffix: str = "") -> Path:
    found = [path for path in files_of(folder) if path.is_file() and path.name.endswith(suffix)]
    return rng.choice(found or [path for path in files_of(folder) if path.is_file()])


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _replacing(name: str, put: Callable[[Path], object]) -> Mutation:
    def mutate(rng: random.Random, folder: Path) -> str:
        path = rng.choice([folder, *files_of(folder)])
        _remove(path)
        put(path)
        return f"{name} in place of {path.name}"

    return mutate


def _make_socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    before = os.open(".", os.O_RDONLY)
    try:
        os.fchdir(folder)  # the name of a socket has at most 108 bytes
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name[:60])
    finally:
        os.fchdir(before)
        os.close(before)
        os.close(folder)


def _link_loop(path: Path) -> None:
    other = path.with_name("other")
    other.symlink_to(path)
    path.symlink_to(other)


def _change_bytes(name: str, change: Callable[[random.Random, bytes], bytes], suffix: str = "") -> Mutation:
    def mutate(rng: random.Random, folder: Path) -> str:
        path = _any_file(rng, folder, suffix)
        path.write_bytes(change(rng, path.read_bytes()))
        return f"{name} {path.name}"

    return mutate


def _flip(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content or b"\0")
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _lie_about_header(rng: random.Random, content: bytes) -> bytes:
    length = rng.choice((0, 1, 2**63, 2**64 - 1, 60_000_000, len(content), len(content) * 2))
    return length.to_bytes(8, "little") + content[8:]


def _lie_about_tensors(rng: random.Random, content: bytes) -> bytes:
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
    except ValueError:
        header = {}
    header[rng.choice([*header, "x" * 3000])] = rng.choice(LYING_ENTRIES)
    encoded = json.dumps(header).encode()
    return len(encoded).to_bytes(8, "little") + encoded + content[8 + length :]


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value of a JSON document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield from _places(child, (*path, key))


def _replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = _replaced(value[place[0]], place[1:], new)
    return copy


def change_a_value(rng: random.Random, folder: Path) -> str:
    """Put a value of a wrong type at some key of some JSON file."""
    path = _any_file(rng, folder, ".json")
    document = json.loads(path.read_text(encoding="utf-8"))
    place, new = rng.choice(list(_places(document))), rng.choice(ODD_VALUES)
    path.write_text(json.dumps(_replaced(document, place, new)), encoding="utf-8")
    return f"{repr(new)[:40]} at {'.'.join(map(str, place)) or 'the top'} of {path.name}"


def forbid(rng: random.Random, folder: Path) -> str:
    """Take all rights from a file or folder."""
    path = rng.choice([folder, *files_of(folder)])
    path.chmod(0)
    return f"no rights for {path.name}"


def rename_oddly(rng: random.Random, folder: Path) -> str:
    """Give a file a name that nobody expects."""
    path = rng.choice(files_of(folder))
    suffix = path.suffix.encode()
    names = [b"n" * (255 - len(suffix)) + suffix, b"a\nb\x1b" + suffix, b" " + suffix, b"-rf" + suffix]
    if sys.platform != "darwin":  # its file systems refuse names that are not UTF-8
        names.append(b"\xff\xfe" + suffix)
    name = rng.choice(names)
    os.rename(os.fsencode(path), os.path.join(os.fsencode(path.parent), name))  # noqa: PTH104, PTH118
    return f"{path.name} renamed to {name[:20]!r}"


def nest_deeply(rng: random.Random, folder: Path) -> str:
    """Add many nested folders, and a link to the first in the last."""
    deepest = folder
    for _ in range(30):
        deepest /= "d"
    deepest.mkdir(parents=True)
    (deepest / "loop").symlink_to(folder)
    return "nested folders that end in a loop"


def add_many_files(rng: random.Random, folder: Path) -> str:
    """Add hundreds of empty files of weights."""
    for number in range(300):
        (folder / f"{number}{rng.choice(('.safetensors', '.npz', '.json'))}").touch()
    return "300 empty files"


MUTATIONS: tuple[Mutation, ...] = (
    change_a_value,
    change_a_value,
    change_a_value,
    change_a_value,
    _replacing("a dangling link", lambda path: path.symlink_to(path.parent / "nowhere")),
    _replacing("a link to itself", lambda path: path.symlink_to(path.name)),
    _replacing("a loop of two links", _link_loop),
    _replacing("a link to its folder", lambda path: path.symlink_to(path.parent)),
    _replacing("a link to an endless device", lambda path: path.symlink_to("/dev/zero")),
    _replacing("a link to the terminal", lambda path: path.symlink_to("/dev/tty")),
    _replacing("a folder", lambda path: path.mkdir()),
    _replacing("a pipe", os.mkfifo),
    _replacing("a socket", _make_socket),
    _replacing("an empty file", lambda path: path.touch()),
    _replacing("nothing", lambda path: None),
    _change_bytes("bytes changed in", _flip),
    _change_bytes("cut short:", lambda rng, content: content[: rng.randint(0, max(len(content) - 1, 0))]),
    _change_bytes("other JSON in", lambda rng, _: rng.choice(RAW_JSON), ".json"),
    _change_bytes("a lying length in", _lie_about_header, ".safetensors"),
    _change_bytes("lying tensors in", _lie_about_tensors, ".safetensors"),
    _change_bytes("bytes changed in the directory of", lambda rng, old: old[:-40] + _flip(rng, old[-40:]), ".npz"),
    forbid,
    rename_oddly,
    nest_deeply,
    add_many_files,
)


class SwapWhileRead:
    """Replaces a folder by another at the n-th opening below it, as when a disk is unplugged between two reads.

    An audit hook cannot be removed, so one hook serves all swaps of the process.
    """

    def __init__(self) -> None:
        self._folder = ""
        self._other = ""
        self._countdown = 0
        sys.addaudithook(self._on_event)

    def arm(self, folder: Path, other: Path, countdown: int) -> None:
        """Swap at the opening number `countdown`."""
        self._folder, self._other, self._countdown = str(folder), str(other), countdown

    def disarm(self) -> None:
        """Swap nothing more."""
        self._countdown = 0

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._countdown < 1 or event not in ("open", "os.scandir", "os.listdir"):
            return
        if not str(arguments[0]).startswith(self._folder):
            return
        self._countdown -= 1
        if not self._countdown:
            os.rename(self._folder, f"{self._folder}.gone")  # noqa: PTH104
            if os.path.lexists(self._other):
                os.rename(self._other, self._folder)  # noqa: PTH104
