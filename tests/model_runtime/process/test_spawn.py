"""What a worker process is started with."""

from pathlib import Path

from model_runtime.process.spawn import worker_environment


def test_a_worker_imports_the_modules_of_its_daemon() -> None:
    given = {"PATH": "/bin", "PYTHONHOME": "/nowhere", "PYTHONPATH": "/a", "SENSES_API_KEY": "secret"}

    variables = worker_environment(given, ["", "/a", "relative", "/b", "/a"])

    root = str(Path(__file__).parents[3])
    assert variables == {"PATH": "/bin", "PYTHONPATH": f"{root}:/a:/b"}
