"""`make setup` on machines with every kind of Python, played by shell scripts that answer what set-up asks them.

What Darwin answers: `uname -m` is x86_64 for a program under Rosetta (Apple, "About the Rosetta translation
environment"); `sysctl hw.optional.arm64` is 1 on Apple silicon and unknown on Intel (xnu, bsd/kern/kern_mib.c). The
Command Line Tools have Python 3.9 as `python3`.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent
TOOLS = ("cat", "cp", "dirname", "make", "mkdir", "mktemp", "rm", "sh")
PYTHON = """#!/bin/sh
echo "{name} $*" >> "{log}"
case "$1 $2" in
  "-c import platform"*) echo "{version} {processor}" ;;
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip") cp "{uv}" "$(dirname "$0")/uv" ;;
esac
"""
UV = """#!/bin/sh
echo "uv $*" >> "{log}"
[ "$1" = venv ] || exit 0
for folder; do :; done
mkdir -p "$folder/bin" && cp "{python}" "$folder/bin/python"
"""
SYSTEMS = {"Darwin": ("Darwin", "arm64", "1", "14.0"), "Linux": ("Linux", "x86_64", "", "")}
REFUSED = {
    "an Intel Mac": (("Darwin", "x86_64", "", "14.0"), "this Mac has an Intel processor"),
    "a Rosetta shell": (("Darwin", "x86_64", "1", "14.0"), "Type `arch -arm64 zsh`, then the same command again."),
    "macOS 13": (("Darwin", "arm64", "1", "13.7.8"), "macOS 13.7.8 is too old, and 14 is needed. Type `softwareupdate"),
    "FreeBSD": (("FreeBSD", "amd64", "", ""), "it runs on macOS and Linux, and this is FreeBSD."),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine in a folder: only what is put there can be found, by the PATH or in the usual places."""

    root: Path

    def __post_init__(self) -> None:
        for folder in ("bin", "project/packaging", "home/.local/bin", "brought"):
            (self.root / folder).mkdir(parents=True)
        for tool in TOOLS:
            (self.root / "bin" / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool}"))
        for name in ("Makefile", "packaging/make_venv.sh"):
            shutil.copyfile(ROOT / name, self.project / name)
        for name in ("requirements.lock", "pyproject.toml"):
            (self.project / name).touch()
        self.write("brought/python", PYTHON, name="brought", version="3.12", processor="arm64")
        self.write("brought/uv", UV)

    @property
    def project(self) -> Path:
        """The checkout of Senses."""
        return self.root / "project"

    @property
    def venv(self) -> Path:
        """The virtual environment of the checkout."""
        return self.project / ".venv"

    @property
    def log(self) -> str:
        """What was run, a command a line."""
        log = self.root / "log"
        return log.read_text(encoding="utf-8") if log.exists() else ""

    def write(self, path: str, script: str, **values: str) -> None:
        """Put a program somewhere."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        brought = {name: str(self.root / "brought" / name) for name in ("python", "uv")}
        file.unlink(missing_ok=True)  # a link of `TOOLS` leads to the program of this machine
        file.write_text(script.format(log=self.root / "log", **brought | values), encoding="utf-8")
        file.chmod(0o755)

    def add_python(self, path: str, version: str, processor: str = "arm64") -> None:
        """Install a Python."""
        self.write(path, PYTHON, name=path, version=version, processor=processor)

    def become(self, system: str, processor: str, has_arm64: str, release: str) -> None:
        """Answer as this system."""
        self.write("bin/uname", f'#!/bin/sh\n[ "$1" = -s ] && echo {system} || echo {processor}\n')
        self.write("usr/sbin/sysctl", f"#!/bin/sh\necho {has_arm64}\n")
        self.write("bin/sw_vers", f"#!/bin/sh\necho {release}\n")

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run make in the checkout."""
        environ = {"PATH": str(self.root / "bin"), "HOME": str(self.root / "home"), "SETUP_ROOT": str(self.root)}
        return subprocess.run(
            ["make", *arguments], cwd=self.project, env=environ, check=False, capture_output=True, text=True, timeout=20
        )

    def set_up(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `make setup`."""
        return self.make("setup", *arguments)

    def has_python(self, name: str) -> bool:
        """Whether set-up ended and the environment was made with the Python of this name."""
        return (self.venv / ".installed").exists() and f'echo "{name} ' in (self.venv / "bin/python").read_text()


@pytest.fixture
def mac(tmp_path: Path) -> Machine:
    """A Mac with Apple silicon, macOS 14 and no Python."""
    machine = Machine(tmp_path / "a mac")
    machine.become(*SYSTEMS["Darwin"])
    return machine


@pytest.mark.promise("setup:python")
@pytest.mark.parametrize(
    "others", [("3.11", "3.13", "3.14"), ("3.13",), ("3.14",)], ids=lambda others: " ".join(others)
)
def test_python_3_12_is_taken_before_others_and_3_11_to_3_14_are_accepted(mac: Machine, others: tuple[str]) -> None:
    for version in others:
        mac.add_python(f"bin/python{version}", version)
    first = mac.set_up()
    with_others = mac.has_python(f"bin/python{others[0]}")
    shutil.rmtree(mac.venv)
    mac.add_python("bin/python3.12", "3.12")

    second = mac.set_up()

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert with_others
    assert mac.has_python("bin/python3.12")


@pytest.mark.parametrize(
    "place",
    [
        "opt/homebrew/bin/python3.12",
        "opt/homebrew/opt/python@3.12/bin/python3.12",
        "usr/local/bin/python3.12",
        "Library/Frameworks/Python.framework/Versions/3.12/bin/python3.12",
        "home/.local/bin/python3.12",
        "bin/python3",
    ],
)
def test_a_python_is_found_on_the_path_and_where_homebrew_python_org_and_uv_put_it(mac: Machine, place: str) -> None:
    mac.add_python("bin/python3", "3.9")
    mac.add_python(place, "3.12")

    result = mac.set_up()

    assert result.returncode == 0, result.stderr
    assert mac.has_python(place)


def test_an_intel_python_is_passed_over_on_a_mac(mac: Machine) -> None:
    mac.add_python("usr/local/bin/python3.12", "3.12", "x86_64")
    mac.add_python("opt/homebrew/bin/python3.13", "3.13")

    result = mac.set_up()

    assert result.returncode == 0, result.stderr
    assert mac.has_python("opt/homebrew/bin/python3.13")


@pytest.mark.promise("setup:brings-python")
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("place", ["bin/uv", "home/.local/bin/uv", "opt/homebrew/bin/uv"])
def test_where_no_python_fits_uv_brings_one_of_the_machines_processor(mac: Machine, system: str, place: str) -> None:
    mac.become(*SYSTEMS[system])
    mac.add_python("bin/python3", "3.9")
    mac.write(place, UV)

    result = mac.set_up()

    request = {"Darwin": "cpython-3.12-macos-aarch64", "Linux": "3.12"}[system]
    assert result.returncode == 0, result.stderr
    assert f"uv venv --quiet --seed --managed-python --python {request} .venv\n" in mac.log
    assert mac.has_python("brought")


@pytest.mark.promise("setup:brings-python")
def test_where_there_is_no_uv_the_pip_of_an_old_python_brings_it_and_it_leaves_with_its_folder(mac: Machine) -> None:
    mac.write("bin/mktemp", '#!/bin/sh\nmkdir "$HOME/borrowed" && echo "$HOME/borrowed"\n')
    mac.add_python("bin/python3", "3.9")

    result = mac.set_up()

    assert result.returncode == 0, result.stderr
    assert mac.has_python("brought")
    assert not (mac.root / "home" / "borrowed").exists()


@pytest.mark.promise("setup:refuses")
@pytest.mark.parametrize("machine", REFUSED)
def test_a_machine_on_which_nothing_can_run_is_refused_in_one_sentence(mac: Machine, machine: str) -> None:
    answers, sentence = REFUSED[machine]
    mac.become(*answers)
    mac.add_python("bin/python3.12", "3.12", answers[1])

    result = mac.set_up()

    first_line = result.stderr.splitlines()[0]
    assert result.returncode != 0
    assert first_line.startswith("Senses cannot be set up: ")
    assert sentence in first_line
    assert not mac.venv.exists()


@pytest.mark.promise("setup:refuses")
@pytest.mark.parametrize(
    ("system", "remedy"), [("Darwin", "`brew install python@3.12`"), ("Linux", "`sudo apt install python3.12-venv`")]
)
def test_without_any_way_to_a_python_the_error_says_what_to_type(mac: Machine, system: str, remedy: str) -> None:
    mac.become(*SYSTEMS[system])
    mac.write("bin/uv", "#!/bin/sh\necho 'no connection' >&2\nexit 1\n")

    result = mac.set_up()

    assert result.returncode != 0
    assert "Python 3.11 to 3.14" in result.stderr
    assert remedy in result.stderr
    assert not mac.venv.exists()


@pytest.mark.parametrize(("version", "processor"), [("3.9", "arm64"), ("3.12", "x86_64")])
def test_a_python_that_was_named_and_does_not_fit_is_refused_and_no_other_is_taken(
    mac: Machine, version: str, processor: str
) -> None:
    mac.add_python("bin/python3.12", "3.12")
    mac.add_python("other/python", version, processor)

    result = mac.set_up(f"PYTHON={mac.root}/other/python")

    assert result.returncode != 0
    assert f"({version} {processor}), and it needs Python 3.11 to 3.14 for arm64." in result.stderr
    assert not mac.venv.exists()


@pytest.mark.promise("setup:repairs")
@pytest.mark.parametrize("fault", ["unfinished", "Python 3.9", "Intel Python", "moved", "Python gone", "a file"])
def test_an_environment_that_cannot_work_is_replaced(mac: Machine, fault: str) -> None:
    mac.add_python("bin/python3.12", "3.12")
    if fault == "a file":
        mac.venv.touch()
    else:
        mac.set_up()
        spoil(mac, fault)

    result = mac.set_up()

    assert result.returncode == 0, result.stderr
    assert "Replacing .venv" in result.stdout
    assert not (mac.venv / "leftover").exists()
    assert mac.has_python("bin/python3.12")


def spoil(mac: Machine, fault: str) -> None:
    """Give a finished environment one fault, and a file that only a new one does not have."""
    (mac.venv / "leftover").touch()
    match fault:
        case "unfinished":
            (mac.venv / ".installed").unlink()
        case "Python 3.9" | "Intel Python":
            version, processor = ("3.9", "arm64") if fault == "Python 3.9" else ("3.12", "x86_64")
            mac.add_python("project/.venv/bin/python", version, processor)
            os.utime(mac.project / "requirements.lock", (4e9, 4e9))  # set-up has a reason to run
        case "moved":
            (mac.venv / ".installed").write_text("/elsewhere/senses\n", encoding="utf-8")
        case _:  # the Python is gone
            (mac.venv / "bin/python").unlink()
            (mac.venv / "bin/python").symlink_to(mac.root / "gone")


def test_an_environment_that_works_is_kept_and_updated(mac: Machine) -> None:
    mac.add_python("bin/python3.12", "3.12")
    mac.set_up()
    (mac.venv / "leftover").touch()
    unchanged = mac.set_up()
    os.utime(mac.project / "requirements.lock", (4e9, 4e9))
    before = mac.log

    updated = mac.set_up()

    assert "make_venv" not in unchanged.stdout
    assert "uv pip install --quiet --python .venv/bin/python --no-deps -r requirements.lock" in mac.log[len(before) :]
    assert "Replacing" not in updated.stdout
    assert (mac.venv / "leftover").exists()


def test_what_a_daemon_imports_is_compiled_before_a_client_waits_for_it(mac: Machine) -> None:
    mac.add_python("bin/python3.12", "3.12")

    mac.set_up()

    assert "-c import mcp_server.daemon.daemon, model_runtime.runtime, openai_compat.app\n" in mac.log


@pytest.mark.promise("setup:location")
def test_set_up_ends_with_the_warning_about_its_folder(mac: Machine) -> None:
    mac.add_python("bin/python3.12", "3.12")

    mac.set_up()

    assert mac.log.splitlines()[-1].endswith(" -m mcp_server.client_setup.location")


@pytest.mark.promise("setup:wheels")
def test_the_gate_of_the_lock_asks_for_the_oldest_mac_and_every_python_and_names_the_one_without_wheels(
    mac: Machine,
) -> None:
    mac.add_python("bin/python3.12", "3.12")
    mac.set_up()
    asked = 'echo "macOS $MACOSX_DEPLOYMENT_TARGET $*" >> "{log}"'
    mac.write("project/.venv/bin/uv", "#!/bin/sh\n" + asked + '\ncase "$*" in *"-version 3.14"*) exit 1 ;; esac\n')

    result = mac.make("check-lock")

    questions = [line for line in mac.log.splitlines() if line.startswith("macOS 14.0 pip install ")]
    assert [line.partition("--python-version ")[2][:4] for line in questions] == ["3.11", "3.12", "3.13", "3.14"]
    assert all("--python-platform aarch64-apple-darwin" in line and "--only-binary :all:" in line for line in questions)
    assert result.returncode != 0
    assert "requirements.lock: no wheel for macOS 14, arm64, Python 3.14, or no package index" in result.stdout
