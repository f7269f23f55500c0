"""What the documents say about the code is so: every path, name, link, contract and command in them exists."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
ARCHITECTURE = DOCS / "architecture.md"
GLOSSARY = DOCS / "glossary.md"
GUIDES = sorted([*DOCS.rglob("*.md"), ROOT / "CONTRIBUTING.md"])
PAGES = [*GUIDES, ROOT / "README.md", ROOT / "CHANGELOG.md"]
DRAWINGS = sorted(DOCS.glob("*.svg"))
PACKAGES = ("mcp_server", "model_runtime", "openai_compat")

CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"([\w.-]+/(?:[\w.-]+/?)*|[\w-]+\.(?:py|md|toml|lock))(?::([\w.]+))?")
"""A folder, a file below one, or a file at the top; after a colon a name in that file."""
DEFINITION = r"(?:\bdef|\bclass) {name}\b|^\s*{name}\b.*="
"""A function, a class, a constant, or a field with a default."""
PROTOCOL = ("notifications/", "resources/", "subscriptions/", "tools/")
"""Methods of MCP look like paths."""
INSTANCE = ("config.toml", "life.lock", "start.lock")
"""Files of an instance, not of the repository."""
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name_of(path: Path) -> str:
    """The path below the root, for the ids of tests."""
    return str(path.relative_to(ROOT))


def prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def paths_in(text: str) -> list[tuple[str, str]]:
    """Every path in backticks, with the name that stands after its colon."""
    matches = [PATH.fullmatch(code) for code in CODE.findall(text)]
    found = [(match[1], match[2] or "") for match in matches if match]
    return [(path, name) for path, name in found if not path.startswith(PROTOCOL) and path not in INSTANCE]


def problem_of(path: str, name: str) -> str:
    """Say what is wrong with a path and a name; "" if both exist."""
    target = ROOT / path
    if not target.exists():
        return f"{path} does not exist"
    if name and not re.search(
        DEFINITION.format(name=re.escape(name)), target.read_text(encoding="utf-8"), re.MULTILINE
    ):
        return f"{path} defines no {name}"
    return ""


def section(page: Path, title: str) -> str:
    """The text below a heading of the second level."""
    return page.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the table in a text, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_every_path_and_every_name_in_it_exists(page: Path) -> None:
    assert [problem for found in paths_in(prose(page)) if (problem := problem_of(*found))] == []


@pytest.mark.parametrize("drawing", DRAWINGS, ids=name_of)
def test_every_file_in_a_drawing_exists(drawing: Path) -> None:
    files = re.findall(r"[\w/]+\.py", drawing.read_text(encoding="utf-8"))

    assert [file for file in files if not (ROOT / file).is_file()] == []
    assert f"]({drawing.name})" in ARCHITECTURE.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_resolves(page: Path) -> None:
    links = [link for link in LINK.findall(prose(page)) if not link.startswith(("http://", "https://"))]

    for link in links:
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in map(slug, HEADING.findall(target.read_text(encoding="utf-8"))), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_command_exists(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    commands = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(set(commands) - set(targets)) == []


def test_the_last_section_answers_six_questions_with_files_and_names() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    answers = rows(section(ARCHITECTURE, "Six questions"))

    assert text.rpartition("\n## ")[2].startswith("Six questions\n")
    assert len(answers) == 6
    for _question, answer, _on_the_way in answers:
        assert all(name for _path, name in paths_in(answer))
        assert paths_in(answer)


def test_every_term_of_the_glossary_names_its_code_and_comes_once_in_order() -> None:
    terms = rows(GLOSSARY.read_text(encoding="utf-8"))
    words = [term.lower() for term, _meaning, _where in terms]

    assert words == sorted(set(words))
    for term, meaning, where in terms:
        assert meaning, term
        assert [name for _path, name in paths_in(where) if name], term


@pytest.mark.promise("docs:messages")
def test_every_message_that_troubleshooting_quotes_is_in_the_code() -> None:
    table = prose(DOCS / "troubleshooting.md")
    quoted = re.findall(r'^\| "(.*?)" \|', table, re.MULTILINE)
    messages = list(product_texts())

    assert len(quoted) > 20
    assert [text for text in quoted if not any(occurs(text, message) for message in messages)] == []


def product_texts() -> Iterator[str]:
    """Yield every text in the product's code, with `…` for the values in it."""
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def occurs(quoted: str, message: str) -> bool:
    """Whether the parts of a quoted message between its `…` are in the text, in their order."""
    parts = quoted.split("…")
    return bool(re.search(".*".join(map(re.escape, parts)), message, re.DOTALL))


def test_the_index_of_decisions_lists_every_record() -> None:
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    records = sorted((DOCS / "decisions").glob("[0-9]*.md"))

    assert [link for link in LINK.findall(index) if link[0].isdigit()] == [record.name for record in records]
    for number, record in enumerate(records, 1):
        title = HEADING.findall(record.read_text(encoding="utf-8"))[0]
        assert title.startswith(f"{number}. ")
        assert f"[{title}]({record.name})" in index


def test_every_import_contract_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    explained = [cells[0] for cells in rows(section(ARCHITECTURE, "The folders, and what may import what"))]

    assert [contract["name"] for contract in contracts if contract["name"] not in explained] == []


def test_the_tree_in_the_readme_has_every_folder_of_the_product() -> None:
    tree = section(ROOT / "README.md", "How it is built")
    listed: list[str] = []
    for indent, folder in re.findall(r"^( *)(\w+)/ ", tree, re.MULTILINE):
        listed.append(f"{listed_package(listed)}/{folder}" if indent else folder)
    folders = [
        f"{package}/{folder.name}"
        for package in PACKAGES
        for folder in (ROOT / package).iterdir()
        if is_source_folder(folder)
    ]

    assert sorted(folder for folder in listed if "/" in folder) == sorted(folders)
    assert all((ROOT / folder).is_dir() for folder in listed)


def is_source_folder(folder: Path) -> bool:
    """Return whether this is a folder with files; a deleted one may still hold bytecode."""
    if not folder.is_dir() or folder.name.startswith("_"):
        return False
    return any(file.name != "__pycache__" for file in folder.iterdir())


def listed_package(listed: list[str]) -> str:
    """The last folder of the tree that is not inside another."""
    return next(folder for folder in reversed(listed) if "/" not in folder)
