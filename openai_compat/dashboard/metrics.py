"""Prometheus metrics, rendered from the runtime's snapshot at every scrape: nothing is counted twice or kept here.

Names follow Prometheus' conventions: base units, `_total` for what only grows, labels of few values.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model_runtime.service import Service
from model_runtime.status import Counters, ModelState, ModelStatus, Status
from openai_compat.dashboard.status_json import COUNTER_LABELS, label_values

COUNTER_METRICS: Mapping[str, tuple[str, str]] = {
    "requests": ("senses_requests", "Requests that ended; code is ok or an error's code."),
    "loads": ("senses_model_loads", "Loads of a model that ended."),
    "unloads": ("senses_model_unloads", "Times a model's process was stopped, by reason."),
    "request_seconds": ("senses_request_seconds", "Time spent running requests."),
    "load_seconds": ("senses_model_load_seconds", "Time spent loading models."),
    "queue_seconds": ("senses_queue_seconds", "Time requests spent waiting."),
    "tokens": ("senses_tokens", "Tokens read and written by chats."),
    "audio_seconds": ("senses_audio_seconds", "Sound heard and spoken."),
    "images": ("senses_images", "Pictures drawn."),
}


@dataclass(frozen=True, slots=True)
class StatusCollector(Collector):
    """Turns the current snapshot into metric families."""

    service: Service

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        status = self.service.status()
        yield InfoMetricFamily("senses_build", "The version that runs.", {"version": status.version})
        yield from runtime_metrics(status)
        yield from counter_metrics(status.counters)
        yield from model_metrics(status.models)


def runtime_metrics(status: Status) -> Iterator[Metric]:
    """Yield what concerns the whole runtime."""
    memory = status.memory
    running = sum(job.state == "running" for job in status.jobs)
    queued = sum(job.state == "queued" for job in status.jobs)
    for name, description, value in (
        ("senses_uptime_seconds", "Time since the start.", status.uptime_seconds),
        ("senses_accepting", "1 while requests are accepted.", float(status.accepting)),
        ("senses_memory_budget_bytes", "Memory that models may take together.", memory.budget_bytes),
        ("senses_memory_charged_bytes", "Memory reserved for models.", memory.charged_bytes),
        ("senses_memory_footprint_bytes", "Memory of all workers as measured.", memory.footprint_bytes),
        (
            "senses_spare_footprint_bytes",
            "Memory of the process without a model, part of the former.",
            memory.spare_bytes,
        ),
        ("senses_memory_available_bytes", "Memory the machine could still give.", memory.available_bytes),
        ("senses_daemon_memory_bytes", "Memory of the daemon itself.", memory.daemon_bytes),
        ("senses_jobs_running", "Requests being worked on.", running),
        ("senses_jobs_waiting", "Requests in the queue.", queued),
    ):
        yield GaugeMetricFamily(name, description, value)


def counter_metrics(counters: Counters) -> Iterator[Metric]:
    """Yield the counters of the snapshot as they are."""
    for field, (name, description) in COUNTER_METRICS.items():
        family = CounterMetricFamily(name, description, labels=COUNTER_LABELS[field])
        for key, value in getattr(counters, field).items():
            family.add_metric(label_values(key), value)
        yield family


def model_metrics(models: tuple[ModelStatus, ...]) -> Iterator[Metric]:
    """Yield what is known of every model; times are left out where they do not apply."""
    yield model_state_metric(models)
    for name, description, field in (
        ("senses_model_charged_bytes", "Memory reserved for the model.", "charged_bytes"),
        ("senses_model_footprint_bytes", "Memory of the model's worker as measured.", "footprint_bytes"),
        ("senses_model_active", "Requests the model works on.", "active"),
        ("senses_model_queued", "Requests that wait for the model.", "queued"),
        ("senses_model_pinned", "1 where the model is exempt from timers and eviction.", "pinned"),
        ("senses_model_idle_seconds", "Time since the model's last work.", "idle_seconds"),
        ("senses_model_unloads_in_seconds", "Time until the model is offloaded.", "unloads_in_seconds"),
    ):
        family = GaugeMetricFamily(name, description, labels=("model",))
        for model in models:
            if (value := getattr(model, field)) is not None:
                family.add_metric((model.name,), float(value))
        yield family


def model_state_metric(models: tuple[ModelStatus, ...]) -> Metric:
    """Yield one sample per model and state, 1 for the state it is in."""
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
        """Where it is served; Starlette adds HEAD."""
        return [Route("/metrics", self.scrape, methods=["GET"])]

    async def scrape(self, request: Request) -> Response:
        """Answer a scrape in the format the scraper prefers."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(StatusCollector(self.service))
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})
