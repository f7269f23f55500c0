"""What /metrics says, as Prometheus itself reads it: the board of Grafana and the alert rules are asked for real.

The programs are those of the Debian package: `apt-get install prometheus`.
"""

import json
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from model_runtime.events import ChatResult, Finished, SpeechResult, Timings
from model_runtime.history.events import RequestEnded
from model_runtime.requests import Task
from model_runtime.supervisor.counters import CounterRegistry
from tests.conformance.conftest import skip_or_fail
from tests.fakes import FakeService

GRAFANA = Path(__file__).parents[3] / "packaging" / "grafana"
BOARD = json.loads((GRAFANA / "senses.json").read_text(encoding="utf-8"))
PANELS = [(panel["title"], target["expr"]) for panel in BOARD["panels"] for target in panel["targets"]]
ANNOTATIONS = [(one["name"], one["expr"]) for one in BOARD["annotations"]["list"]]
ALERTS = re.findall(r"- alert: (\w+)", (GRAFANA / "alerts.yml").read_text(encoding="utf-8"))


def program(name: str) -> str:
    """Return the path of a program of Prometheus; without it the test is skipped."""
    found = shutil.which(name)
    return found or skip_or_fail(f"{name} is not installed: apt-get install prometheus")


class BusyService(FakeService):
    """Answers, loads and unloads a little more at each scrape."""

    def __init__(self) -> None:
        super().__init__()
        self.counters = CounterRegistry(self.history.record)

    def work(self) -> None:
        """Count some work of two models."""
        timings = Timings(0.2, 0.0, 1.5)
        for model, task, result in (
            ("vlm-starter", Task.VISION, ChatResult("", "stop", 30, 40)),
            ("tts-starter", Task.SPEECH, SpeechResult(6.0, 24_000, "alma", "en")),
        ):
            self.counters.count_load(model, 2.0)
            for code in ("ok", "job_failed"):
                ended = RequestEnded(1.0, model, "Claude Code", task, code, 0.2, 0.0, 1.5, 0.4, 40.0)
                self.counters.count_request(ended)
            self.counters.count_result(Finished(model, result, timings))
            self.counters.count_unload(model, "evicted for image-starter")
        self.counters.count_failed_load("image-starter")

    def status(self) -> Any:
        """Return the status with these totals, a model in memory."""
        self.work()
        status = super().status()
        models = tuple(replace(model, charged_bytes=10) for model in status.models)
        return replace(status, models=models, counters=self.counters.snapshot())


@pytest.fixture
def service() -> BusyService:
    return BusyService()


@pytest.mark.process
@pytest.mark.promise("metrics:checked")
async def test_promtool_finds_nothing_wrong_with_the_metrics(http: httpx2.AsyncClient) -> None:
    text = (await http.get("/metrics")).text
    checked = await anyio.run_process([program("promtool"), "check", "metrics"], input=text.encode(), check=False)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@pytest.mark.process
@pytest.mark.promise("metrics:alerts")
async def test_each_alert_comes_when_it_should_and_not_before() -> None:
    tested = await anyio.run_process(
        [program("promtool"), "test", "rules", str(GRAFANA / "alerts_test.yml")], check=False
    )

    assert tested.returncode == 0, (tested.stdout + tested.stderr).decode()
    cases = (GRAFANA / "alerts_test.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"alertname: (\w+)\n\s+eval_time: \w+\n\s+exp_alerts", cases)) == set(ALERTS)


@pytest.fixture
async def prometheus(url: str, tmp_path: Path) -> AsyncGenerator[httpx2.AsyncClient]:
    """Yield a client of a Prometheus that has scraped Senses a few times, with our rules."""
    command = program("prometheus")
    scrape = {"job_name": "senses", "static_configs": [{"targets": [url.removeprefix("http://")]}]}
    settings = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config = {"global": settings, "rule_files": [str(GRAFANA / "alerts.yml")], "scrape_configs": [scrape]}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    arguments = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    process = await anyio.open_process(
        [command, *arguments, f"--web.listen-address={address}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://{address}", timeout=10) as client:
            await wait_for_scrapes(client, 4)
            yield client
    finally:
        process.terminate()
        with anyio.fail_after(20):
            await process.wait()


async def wait_for_scrapes(client: httpx2.AsyncClient, count: int) -> None:
    """Wait until Prometheus has read the metrics so many times."""
    with anyio.fail_after(60):
        while True:
            with suppress(httpx2.HTTPError):
                found = await query(client, 'count_over_time(up{job="senses"}[1m])')
                if found and float(found[0]["value"][1]) >= count:
                    return
            await anyio.sleep(0.2)


async def query(client: httpx2.AsyncClient, expression: str) -> list[dict[str, Any]]:
    """Return the samples of an expression; one that Prometheus refuses fails the test."""
    answer = await client.get("/api/v1/query", params={"query": expression})
    if answer.status_code == 503:  # not ready yet
        raise httpx2.HTTPError(answer.text)
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    samples: list[dict[str, Any]] = answer.json()["data"]["result"]
    return samples


def filled_in(expression: str) -> str:
    """Return a panel's expression with Grafana's variables replaced."""
    return expression.replace("$__rate_interval", "1m").replace("$model", ".*")


def metric_names(expression: str) -> Iterator[str]:
    """Yield the names of the metrics in an expression."""
    yield from re.findall(r"\bsenses_\w+|\bup\b", expression)


@pytest.mark.process
@pytest.mark.promise("metrics:board")
async def test_every_panel_and_every_rule_finds_its_metrics_in_a_prometheus_that_scrapes_senses(
    prometheus: httpx2.AsyncClient,
) -> None:
    known = set((await prometheus.get("/api/v1/label/__name__/values")).json()["data"])

    empty = [title for title, expression in PANELS if not await query(prometheus, filled_in(expression))]
    rules = (await prometheus.get("/api/v1/rules")).json()["data"]["groups"][0]["rules"]
    expressions = [filled_in(one) for _, one in (*PANELS, *ANNOTATIONS)] + [rule["query"] for rule in rules]
    for expression in expressions:
        await query(prometheus, expression)

    assert empty == []
    assert {name for expression in expressions for name in metric_names(expression)} <= known
    assert {rule["name"]: rule["health"] for rule in rules} == dict.fromkeys(ALERTS, "ok")
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == ["SensesLoadsFail"]
