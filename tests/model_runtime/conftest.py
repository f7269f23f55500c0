"""Fixtures of the runtime's tests."""

import os
from collections.abc import AsyncGenerator

import psutil
import pytest

from model_runtime.process import process
from model_runtime.supervisor import memory
from tests.model_runtime.fake_workers import FakeWorkers


@pytest.fixture
async def workers(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[FakeWorkers]:
    """Every worker of the test is a fake one."""
    fakes = FakeWorkers()
    monkeypatch.setattr(process, "spawn_worker", fakes.spawn)
    monkeypatch.setattr(os, "waitpid", fakes.waitpid)
    monkeypatch.setattr(os, "killpg", fakes.killpg)
    monkeypatch.setattr(psutil, "Process", fakes.process)
    monkeypatch.setattr(memory, "footprint_bytes", fakes.footprint_bytes)
    yield fakes
    for worker in fakes.all:
        worker.exit()
