"""The suites: which client each is of, how it is run, and what its checks are called."""

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.conformance.conftest import find_node

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
PYTHON_CHECK = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
NODE_CHECK = re.compile(r'^test\("([^"]+)"', re.MULTILINE)
PYENV = Path.home() / ".pyenv" / "versions"
NO_PLUGINS = ("--noconftest", "-c", os.devnull, "-p", "no:cacheprovider", "-p", "no:randomly")
"""A suite knows no fixture of ours: a client's environment has neither our packages nor our plugins."""


@dataclass(frozen=True, slots=True)
class Suite:
    """The checks of one client. `environment` is the folder of its packages, `OWN` that of the product itself."""

    title: str
    package: str
    folder: str
    environment: str
    newest_node: bool = True

    @property
    def is_python(self) -> bool:
        """Whether Python runs it."""
        return any((FOLDER / self.folder).glob("suite*.py"))

    @property
    def files(self) -> list[Path]:
        """The files of its checks."""
        return sorted((FOLDER / self.folder).glob("suite*.py" if self.is_python else "suite*.mjs"))

    @property
    def checks(self) -> list[str]:
        """The names of its checks, without running anything."""
        pattern = PYTHON_CHECK if self.is_python else NODE_CHECK
        return [name for file in self.files for name in pattern.findall(file.read_text(encoding="utf-8"))]

    @property
    def report(self) -> str:
        """The name of the file with its results."""
        return f"{self.package or self.folder}-{self.version}.xml"

    @property
    def version(self) -> str:
        """The version of the client, as it is locked."""
        folder = ROOT if self.environment == OWN else FOLDER / self.environment
        if not self.package:
            return "replayed"
        if not self.is_python:
            lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
            return str(lock["packages"][f"node_modules/{self.package}"]["version"])
        name = "requirements.lock" if self.environment == OWN else "requirements.txt"
        lines = (folder / name).read_text(encoding="utf-8")
        (version,) = re.findall(rf"^{re.escape(self.package)}==(\S+)", lines, re.MULTILINE)
        return str(version)

    @property
    def missing_python(self) -> str:
        """The version of Python that it needs and this machine lacks, "" if there is none such."""
        file = FOLDER / self.environment / ".python-version"
        version = file.read_text(encoding="utf-8").strip() if file.exists() else ""
        found = not version or shutil.which(f"python{version}") or any(PYENV.glob(f"{version}*/bin/python"))
        return "" if found else version

    def program(self) -> str | None:
        """Return the Python or Node that runs it, None where its environment is not installed."""
        folder = FOLDER / self.environment
        if self.environment == OWN:
            return sys.executable
        if self.is_python:
            return str(folder / ".venv" / "bin" / "python") if (folder / ".venv" / ".installed").exists() else None
        node = find_node() if self.newest_node else shutil.which("node") or find_node()
        return node if (folder / "node_modules" / ".package-lock.json").exists() else None

    def command(self, program: str, report: Path) -> list[str]:
        """Return how to run all checks; their results go to `report`, as JUnit's XML."""
        files = [str(file) for file in self.files]
        if self.is_python:
            return [program, "-m", "pytest", "-q", *NO_PLUGINS, "--rootdir", str(ROOT), f"--junitxml={report}", *files]
        destination = f"--test-reporter-destination={report}"
        return [program, "--test", "--test-reporter=junit", destination, *files]


OWN = "."
SUITES = (
    Suite("OpenAI's SDK for Python, strict", "openai", "openai_python", OWN),
    Suite("OpenAI's SDK for Python, strict", "openai", "openai_python", "openai_python_2"),
    Suite("OpenAI's SDK for JavaScript", "openai-7", "openai_npm", "openai_npm"),
    Suite("OpenAI's SDK for JavaScript", "openai-6", "openai_npm", "openai_npm", newest_node=False),
    Suite("Anthropic's SDK for Python, strict", "anthropic", "anthropic_python", OWN),
    Suite("Vercel's AI SDK", "ai", "ai_sdk", "ai_sdk"),
    Suite("LangChain", "langchain-openai", "langchain", "langchain"),
    Suite("LiteLLM", "litellm", "litellm", "litellm"),
    Suite("OpenAI's Agents SDK", "openai-agents", "openai_agents", "openai_agents"),
    Suite("Instructor", "instructor", "instructor", "instructor"),
    Suite("Pydantic AI", "pydantic-ai-slim", "pydantic_ai", "pydantic_ai"),
    Suite("wyoming-openai, of Home Assistant", "wyoming-openai", "wyoming_openai", "wyoming_openai"),
    Suite("Open WebUI, Home Assistant, Continue, Cline, aider, opencode, Cursor", "", "replays", OWN),
)


def read_report(report: Path) -> dict[str, str]:
    """Return what went wrong in each check, "" where nothing did; the cases of one check count together."""
    problems: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - written by our own run
        name = str(case.get("name"))
        check = name.partition("[")[0] if name.startswith("test_") else name
        found = [one for one in case if one.tag in ("failure", "error", "skipped")]
        said = [f"{name}: {one.get('message', '')}\n{one.text or ''}" for one in found]
        problems[check] = "\n".join(filter(None, [problems.get(check, ""), *said]))
    return problems
