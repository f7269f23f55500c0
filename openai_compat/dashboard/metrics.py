"""Prometheus metrics, rendered from the runtime's status and history at every scrape. No state is kept here.

Names follow Prometheus's conventions (https://prometheus.io/docs/practices/naming/): base units, `_total` for counters.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model_runtime.history.histogram import BOUNDS_SECONDS
from model_runtime.history.history import TotalsSinceStart
from model_runtime.service import Service
from model_runtime.status import Counters, ModelState, ModelStatus, Status
from openai_compat.dashboard.status_json import COUNTER_LABELS, label_values

COUNTER_METRICS: Mapping[str, tuple[str, str]] = {
    "requests": ("senses_requests", "Requests that ended; code is ok or an error's code."),
    "loads": ("senses_model_loads", "Model loads that ended, by result."),
    "unloads": ("senses_model_unloads", "Workers that were stopped, by reason."),
    "request_seconds": ("senses_request_seconds", "Time that requests were running."),
    "load_seconds": ("senses_model_load_seconds", "Time spent loading models."),
    "queue_seconds": ("senses_queue_seconds", "Time that requests were queued."),
    "tokens": ("senses_tokens", "Prompt and completion tokens of chats."),
    "audio_seconds": ("senses_audio_seconds", "Duration of audio transcribed and generated."),
    "images": ("senses_images", "Images generated."),
}
"""Field of `Counters` → name and description of its metric."""


HISTOGRAM_METRICS: Mapping[str, tuple[str, str]] = {
    "request_duration": ("senses_request_duration_seconds", "Time from arrival to answer of requests that succeeded."),
    "first_output": ("senses_first_output_seconds", "Time from arrival to the first part of the result."),
    "queue_duration": ("senses_queue_duration_seconds", "Time that requests which succeeded were queued."),
    "load_duration": ("senses_model_load_duration_seconds", "Time that model loads took."),
}
"""Histogram of `TotalsSinceStart` → name and description of its metric."""
BOUNDS = (*map(floatToGoString, BOUNDS_SECONDS), "+Inf")


@dataclass(frozen=True, slots=True)
class StatusCollector(Collector):
    """Prometheus collector that reads the runtime's status and history."""

    service: Service

    def collect(self) -> Iterator[Metric]:
        """Yield all metric families."""
        status = self.service.status()
        yield InfoMetricFamily("senses_build", "The running version.", {"version": status.version})
        yield from runtime_metrics(status)
        yield from counter_metrics(status.counters)
        yield from model_metrics(status.models)
        yield from history_metrics(self.service.history.since_start)


def history_metrics(totals: TotalsSinceStart) -> Iterator[Metric]:
    """Yield the histograms by model, and the time that loading a model again has taken."""
    for field, (name, description) in HISTOGRAM_METRICS.items():
        histograms = HistogramMetricFamily(name, description, labels=("model",))
        for model, histogram in totals.histograms[field].items():
            buckets = list(zip(BOUNDS, accumulate(map(float, histogram.counts)), strict=True))
            histograms.add_metric((model,), buckets, histogram.sum_seconds)
        yield histograms
    reloads = CounterMetricFamily(
        "senses_model_reload_seconds", "Time of model loads but the first.", labels=("model",)
    )
    for model, seconds in totals.reload_seconds.items():
        reloads.add_metric((model,), seconds)
    yield reloads


def runtime_metrics(status: Status) -> Iterator[Metric]:
    """Yield the metrics of the runtime as a whole."""
    memory = status.memory
    running = sum(job.state == "running" for job in status.jobs)
    queued = sum(job.state == "queued" for job in status.jobs)
    for name, description, value in (
        ("senses_uptime_seconds", "Time since the daemon started.", status.uptime_seconds),
        ("senses_accepting", "1 while requests are accepted.", float(status.accepting)),
        ("senses_memory_budget_bytes", "Memory budget of all models.", memory.budget_bytes),
        ("senses_memory_charged_bytes", "Memory reserved for models.", memory.charged_bytes),
        ("senses_memory_footprint_bytes", "Measured memory of all workers.", memory.footprint_bytes),
        (
            "senses_spare_footprint_bytes",
            "Measured memory of the spare worker, one of all workers.",
            memory.spare_bytes,
        ),
        ("senses_memory_available_bytes", "Memory available on this machine.", memory.available_bytes),
        ("senses_daemon_memory_bytes", "Memory of the daemon itself.", memory.daemon_bytes),
        ("senses_jobs_running", "Requests that are running.", running),
        ("senses_jobs_waiting", "Requests in the queue.", queued),
    ):
        yield GaugeMetricFamily(name, description, value)


def counter_metrics(counters: Counters) -> Iterator[Metric]:
    """Yield one metric family per counter."""
    for field, (name, description) in COUNTER_METRICS.items():
        family = CounterMetricFamily(name, description, labels=COUNTER_LABELS[field])
        for key, value in getattr(counters, field).items():
            family.add_metric(label_values(key), value)
        yield family


def model_metrics(models: tuple[ModelStatus, ...]) -> Iterator[Metric]:
    """Yield the metrics of each model. A value of None has no sample."""
    yield model_state_metric(models)
    for name, description, field in (
        ("senses_model_charged_bytes", "Memory reserved for the model.", "charged_bytes"),
        ("senses_model_footprint_bytes", "Measured memory of the model's worker.", "footprint_bytes"),
        ("senses_model_active", "Requests that run on the model.", "active"),
        ("senses_model_queued", "Requests that wait for the model.", "queued"),
        ("senses_model_pinned", "1 if the model is exempt from idle timeout and eviction.", "pinned"),
        ("senses_model_idle_seconds", "Time since the model's last request ended.", "idle_seconds"),
        ("senses_model_unloads_in_seconds", "Time until the model is unloaded.", "unloads_in_seconds"),
    ):
        family = GaugeMetricFamily(name, description, labels=("model",))
        for model in models:
            if (value := getattr(model, field)) is not None:
                family.add_metric((model.name,), float(value))
        yield family


def model_state_metric(models: tuple[ModelStatus, ...]) -> Metric:
    """Return one sample per model and state, 1 for the state that the model is in."""
    family = GaugeMetricFamily("senses_model_state", "1 for the state the model is in.", labels=("model", "state"))
    for model in models:
        for state in ModelState:
            family.add_metric((model.name, state), float(model.state is state))
    return family


@dataclass(frozen=True, slots=True)
class MetricsEndpoint:
    """GET /metrics."""

    service: Service

    def routes(self) -> list[Route]:
        """Return the route. Starlette adds HEAD."""
        return [Route("/metrics", self.scrape, methods=["GET"])]

    async def scrape(self, request: Request) -> Response:
        """Return the metrics in the format that the Accept header prefers."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(StatusCollector(self.service))
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})
