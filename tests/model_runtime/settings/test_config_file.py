"""Every key of a config.toml is found on the line on which it is written, however TOML lets it be written."""

from pathlib import Path

import pytest

from model_runtime.settings import SettingsError
from model_runtime.settings.config_file import ConfigFile, flatten, line_of

ANY_TOML = """# = a comment with [brackets] and "quotes"
top = 1
dotted.key = "a = [b]"
'quoted'."key = x" = 2

[plain] # comment
text = '''
not_a_key = 3
[not.a.section]
'''
after = 4
list = [
  "first",
  { inside = 5 },
]
inline = { one = 1, "t wo".three = "}" }

[ sec . "ti on" ]
key = 6
[[tables]]
x = 7
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("dotted", "key"), 3),
        (("quoted", "key = x"), 4),
        (("plain",), 6),
        (("plain", "text"), 7),
        (("plain", "after"), 11),
        (("plain", "list"), 12),
        (("plain", "inline", "one"), 16),
        (("plain", "inline", "t wo", "three"), 16),
        (("sec", "ti on"), 18),
        (("sec", "ti on", "key"), 19),
        (("tables",), 20),
        (("nowhere",), 1),
    ],
)
def test_a_key_is_found_on_its_line(path: tuple[str, ...], line: int) -> None:
    assert line_of(path, ANY_TOML) == line


def test_a_location_names_file_line_and_key() -> None:
    config = ConfigFile("config.toml", ANY_TOML, {})

    assert config.locate(("sec", "ti on", "key")) == 'config.toml line 19: sec."ti on".key'


def test_a_missing_file_says_nothing(tmp_path: Path) -> None:
    config = ConfigFile.read(tmp_path / "config.toml")

    assert list(flatten(config.tree)) == []


@pytest.mark.parametrize("content", [b"port = = 1", b"host = '\xff'", b"x = " + b"[" * 5000])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(content)

    with pytest.raises(SettingsError, match=r"config\.toml cannot be read: .*\. Correct the file or move it away\.$"):
        ConfigFile.read(tmp_path / "config.toml")
