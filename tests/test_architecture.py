"""The shape of the code: who may import what, and what the daemon must never carry."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = (
    "mlx",
    "mlx_vlm",
    "mlx_lm",
    "mlx_whisper",
    "mlx_audio",
    "mflux",
    "transformers",
    "torch",
    "numba",
    "scipy",
    "cv2",
)
FOR_WORK = ("PIL", "numpy", "av", "rich", "huggingface_hub", "jsonschema", "tokenizers", "websockets")
"""What the daemon imports when it is first used."""


@pytest.mark.process
@pytest.mark.promise("daemon:no-mlx")
@pytest.mark.parametrize(
    "module", ["mcp_server.daemon.daemon", "mcp_server.cli.main", "openai_compat.app", "model_runtime.runtime"]
)
def test_the_daemon_carries_no_mlx(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert found.stdout.strip() == "[]"


@pytest.mark.process
@pytest.mark.promise("daemon:lean")
def test_an_idle_daemon_carries_nothing_that_only_work_needs(tmp_path: Path) -> None:
    program = (
        "import os, sys; from mcp_server.daemon import daemon; from model_runtime.settings import load_settings; "
        f"leave = lambda facts: (print([name for name in {(*HEAVY, *FOR_WORK)!r} if name in sys.modules], flush=True),"
        " os._exit(0)); daemon.run(load_settings(os.environ), auto=True, on_ready=leave)"
    )
    environ = {**os.environ, "SENSES_HOME": str(tmp_path)}

    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, env=environ
    )

    assert found.stdout.strip() == "[]"


@pytest.mark.process
def test_the_shim_carries_only_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); import mcp_server.launcher.shim; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before} - {'mcp_server'}; "
        "print(sorted(new - sys.stdlib_module_names))"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert found.stdout.strip() == "[]"


def test_the_lock_pins_every_version_and_names_no_host() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()

    assert len(lines) > 100
    assert [line for line in lines if "==" not in line or "://" in line] == []


PRODUCT = ("mcp_server", "model_runtime", "openai_compat")
FORMER_WORDS = re.compile(
    r"\b(house|tenants?|steward|doorman|courier|errands?|farewell|happenings?|move_in|move_out|watchman|foresight"
    r"|mailbox|summon|pulse)\b",
    re.IGNORECASE,
)


TYPE_NAME = re.compile(r"_?[A-Z][a-z]\w*")


def test_no_two_types_of_the_product_share_a_name() -> None:
    """A class or an alias of a type stands for one thing, so that a search finds it."""
    homes: dict[str, list[str]] = {}
    for path in product_files("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if (name := type_name(node)) is not None:
                homes.setdefault(name, []).append(str(path.relative_to(ROOT)))

    assert len(homes) > 700
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def type_name(node: ast.stmt) -> str | None:
    """Return the name of a class or of an alias; what stands for any type, such as a `TypeVar`, has none of its own."""
    match node:
        case ast.ClassDef(name=name):
            return name
        case ast.Assign([ast.Name(name)], ast.Call(ast.Name("TypeVar" | "ParamSpec"))):
            return None
        case ast.Assign([ast.Name(name)]) | ast.AnnAssign(ast.Name(name)) if TYPE_NAME.fullmatch(name):
            return name
        case _:
            return None


def test_the_product_speaks_in_standard_terms() -> None:
    """The glossary is the only vocabulary: the figurative words of the first version stay out."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for pattern in ("*.py", "*.js", "*.css", "*.html")
        for path in product_files(pattern)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FORMER_WORDS.search(line)
    ]

    assert found == []


def test_every_folder_of_the_product_says_what_lives_in_it() -> None:
    """The docstring of `__init__.py` says in two sentences what lives there and what may not."""
    silent = [
        str(path.parent.relative_to(ROOT))
        for path in product_files("__init__.py")
        if len((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split(".")) < 2
    ]

    assert silent == []


def test_a_public_function_names_the_errors_that_it_raises() -> None:
    """In a section `Raises:`, in its sentence, or as those of what it refers to. Docstrings of commands are their help, for people."""
    silent = [
        f"{path.relative_to(ROOT)}: {function.name}"
        for path in product_files("*.py")
        if not path.name.endswith(("_commands.py", "main.py"))
        for function in public_functions(ast.parse(path.read_text(encoding="utf-8")))
        if raises_anew(function) and not ERRORS_NAMED.search(ast.get_docstring(function) or "")
    ]

    assert silent == []


ERRORS_NAMED = re.compile(r"\bRaises?\b|[Ss]ee `|\bas `")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(node: ast.Module | ast.ClassDef) -> Iterator[Function]:
    """Yield the public functions of a module, and the public methods of its public classes."""
    for child in node.body:
        if isinstance(child, Function | ast.ClassDef) and not child.name.startswith("_"):
            yield from [child] if isinstance(child, Function) else public_functions(child)


def raises_anew(node: ast.AST) -> bool:
    """Return whether a function itself, and no function in it, raises an error that it makes."""
    return any(
        (isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call))
        or (not isinstance(child, Function | ast.ClassDef | ast.Lambda) and raises_anew(child))
        for child in ast.iter_child_nodes(node)
    )


def product_files(pattern: str) -> list[Path]:
    return [
        path for package in PRODUCT for path in sorted((ROOT / package).rglob(pattern)) if "vendor" not in path.parts
    ]
