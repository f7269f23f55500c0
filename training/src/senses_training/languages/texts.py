"""Texts in the languages of the Latin script: what packages of Debian, Django and Python say to people."""

import gettext
import gzip
import hashlib
import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

LANGUAGES = ("en", "es", "fr", "it", "pt", "de", "nl", "ro", "sv", "da", "no", "pl", "cs", "fi", "hu")
DEBIAN_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "en": ("fortunes",),
    "es": ("fortunes-es", "manpages-es", "debian-reference-es"),
    "fr": ("manpages-fr", "debian-reference-fr", "developers-reference-fr"),
    "it": ("fortunes-it", "manpages-it", "debian-reference-it", "developers-reference-it"),
    "pt": ("fortunes-br", "manpages-pt-br", "debian-reference-pt"),
    "de": ("fortunes-de", "manpages-de", "debian-reference-de", "developers-reference-de"),
    "nl": ("manpages-nl",),
    "ro": ("manpages-ro",),
    "sv": ("manpages-sv",),
    "da": ("manpages-da",),
    "no": ("manpages-nb",),
    "pl": ("fortunes-pl", "manpages-pl"),
    "cs": ("fortunes-cs", "manpages-cs"),
    "fi": ("manpages-fi",),
    "hu": ("manpages-hu",),
}
DJANGO = "Django==5.1.4"
DJANGO_NAMES = {"pt": "pt_BR", "no": "nb", "en": "fr"}
"""Language → Django's name of it. The English messages are what the French ones translate."""
DOCUMENTED_MODULES = ("argparse", "asyncio/tasks", "collections/__init__", "datetime", "email/message", "inspect")
DOCUMENTED_MODULES += ("json/__init__", "logging/__init__", "os", "pathlib", "random", "shutil", "socket", "subprocess")
DOCUMENTED_MODULES += ("tempfile", "threading", "typing", "unittest/case", "urllib/request", "zipfile")
RECORDINGS_REPEATED = 4
MIN_WORDS = 4

_ROFF = re.compile(r"\\f.|\\\(..|\\[&|e%^/]|\\s[-+]?\d|^[.'].*$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"%\(\w+\)\w|%\w|<[^>]+>|\{\w*\}")
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+|\n\s*\n|\n%+\n")
_ENGLISH = {
    "the",
    "of",
    "and",
    "to",
    "is",
    "that",
    "this",
    "with",
    "for",
    "are",
    "you",
    "your",
    "it",
    "not",
    "be",
    "in",
}
_ENGLISH |= {"on", "if", "can", "will"}
_SPANISH = {"que", "de", "la", "el", "en", "es", "un", "una", "los", "se"}


def read_texts(folder: Path, recordings: Path) -> dict[str, list[str]]:
    """Return texts by language. Packages are downloaded into `folder`; `recordings` is what `make models` wrote."""
    texts = {code: _texts(folder, code) for code in LANGUAGES}
    texts["en"] += _docstrings()
    for each in json.loads((recordings / "recordings.json").read_text(encoding="utf-8")):
        if each["language"] in texts and is_for_training(each["text"]):
            texts[each["language"]] += [each["text"]] * RECORDINGS_REPEATED
    return texts


def is_for_training(text: str) -> bool:
    """Return whether a recording's text is learnt from; the tests take the other half."""
    return hashlib.md5(text.lower().strip(" .").encode(), usedforsecurity=False).digest()[0] % 2 == 1


def _texts(folder: Path, code: str) -> list[str]:
    found = [*_debian_texts(folder, code), *_django_texts(folder, code)]
    return list(dict.fromkeys(_in_language(found, code)))


def _debian_texts(folder: Path, code: str) -> Iterator[str]:
    for package in DEBIAN_PACKAGES[code]:
        yield from _sentences(_package_files(folder / package, package))


def _package_files(folder: Path, package: str) -> Iterator[str]:
    """Yield the texts in a Debian package, which is downloaded and unpacked if it is not in `folder`."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True)
        subprocess.run(["dpkg-deb", "-x", next(folder.glob("*.deb")), folder], check=True)
    files = [*folder.glob("usr/share/man/**/*.gz"), *folder.glob("usr/share/*-reference/**/*.txt.gz")]
    for file in sorted(files):
        yield _ROFF.sub(" ", gzip.decompress(file.read_bytes()).decode("utf-8", "replace"))
    for file in sorted(folder.glob("usr/share/games/fortunes/**/*")):
        if file.is_file() and file.suffix not in {".dat", ".u8"}:
            content = file.read_bytes()
            yield content.decode("utf-8" if _is_utf8(content) else "latin-1")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _django_texts(folder: Path, code: str) -> Iterator[str]:
    """Yield Django's messages to people, in their translation."""
    if not (folder / "django").is_dir():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder, DJANGO]
        subprocess.run(command, check=True)
    name = DJANGO_NAMES.get(code, code)
    for file in sorted((folder / "django").glob(f"**/{name}/LC_MESSAGES/*.mo")):
        with file.open("rb") as stream:
            messages: Mapping[object, str] = vars(gettext.GNUTranslations(stream))["_catalog"]
        pairs = [(key, text) for key, text in messages.items() if isinstance(key, str) and key]
        yield from (_PLACEHOLDER.sub(" ", key if code == "en" else text) for key, text in pairs)


def _docstrings() -> Iterator[str]:
    """Yield sentences and comments of Python's standard library: English about code."""
    library = Path(sysconfig.get_path("stdlib"))
    for module in DOCUMENTED_MODULES:
        source = (library / f"{module}.py").read_text(encoding="utf-8")
        yield from _sentences(re.findall(r'"""(.*?)"""', source, re.DOTALL))
        yield from re.findall(r"#\s+(.*)", source)


def _sentences(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for sentence in _SENTENCE_END.split(text):
            words = sentence.split()
            if len(words) >= MIN_WORDS and sum(map(str.isalpha, sentence)) > 0.6 * len(sentence):
                yield " ".join(words)


def _in_language(texts: Iterable[str], code: str) -> Iterator[str]:
    """Leave out what nobody translated, and the Spanish jokes that are written in a cipher."""
    for text in texts:
        words = text.lower().split()
        is_english = sum(word in _ENGLISH for word in words) >= max(2, len(words) * 0.15)
        if code == "en" or (not is_english and (code != "es" or not _SPANISH.isdisjoint(words))):
            yield text
