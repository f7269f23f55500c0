"""How long queued requests wait, as the scheduler estimates it."""

from dataclasses import replace

import pytest

from model_runtime.scheduler.estimates import start_seconds
from model_runtime.scheduler.model_record import ModelRecord, ModelSpec, QueuedRequest
from model_runtime.status import ModelState

NOW = 10.0


def request(number: int, *, is_batch: bool = False, done_share: float = 0.0, granted_at: float = 0.0) -> QueuedRequest:
    made = QueuedRequest(number, "eyes", "", number, 0, 120, 0, None, is_batch=is_batch)
    return replace(made, granted_at=granted_at, done_share=done_share)


@pytest.mark.parametrize(("concurrency", "batch_slots"), [(1, 1), (2, 1), (4, 2), (6, 3)])
def test_batch_requests_have_half_of_the_slots_and_at_least_one(concurrency: int, batch_slots: int) -> None:
    assert ModelRecord.from_spec(ModelSpec("eyes", 10, concurrency=concurrency)).batch_slots == batch_slots


def test_a_batch_request_waits_for_a_slot_of_its_kind_and_an_interactive_one_for_any() -> None:
    running = [
        request(1, is_batch=True, done_share=0.5),
        request(2, is_batch=True, done_share=0.8),
        request(3, done_share=0.5, granted_at=5.0),
    ]
    record = replace(
        ModelRecord.from_spec(ModelSpec("eyes", 10, concurrency=4)),
        state=ModelState.READY,
        service_seconds=2.0,
        batch_service_seconds=8.0,
        active={one.id: one for one in running},
    )
    queue = [request(4), request(5, is_batch=True), request(6, is_batch=True), request(7)]

    assert start_seconds(record, queue, NOW) == pytest.approx([0.0, 2.5, 10.0, 5.0])


@pytest.mark.parametrize(
    ("state", "retry_at", "seconds"),
    [
        (ModelState.BACKOFF, NOW + 5, 8.0),
        (ModelState.BACKOFF, NOW - 1, 3.0),
        (ModelState.ABSENT, NOW + 5, 3.0),
        (ModelState.READY, NOW + 5, 0.0),
    ],
)
def test_a_load_begins_after_the_pause_of_a_failed_model(state: ModelState, retry_at: float, seconds: float) -> None:
    record = replace(ModelRecord.from_spec(ModelSpec("eyes", 10)), state=state, retry_at=retry_at)

    assert start_seconds(record, [request(1)], NOW) == [seconds]


@pytest.mark.parametrize(("started_at", "seconds"), [(9.0, 2.0), (7.0, 0.0), (1.0, 0.0)])
def test_a_load_that_has_begun_takes_what_is_left_of_its_usual_time(started_at: float, seconds: float) -> None:
    loading = replace(ModelRecord.from_spec(ModelSpec("eyes", 10)), state=ModelState.STARTING, started_at=started_at)

    assert start_seconds(loading, [request(1)], NOW) == [seconds]
