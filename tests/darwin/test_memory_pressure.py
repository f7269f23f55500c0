"""The memory pressure of macOS: levels of the kernel replayed second by second, and the loads of a model counted."""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

import pytest

from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.messages import (
    Grant,
    MemoryPressure,
    ModelLoaded,
    RequestArrived,
    RequestFinished,
    SchedulerEvent,
    StartWorker,
    StopWorker,
    Tick,
    WorkerExited,
)
from model_runtime.scheduler.model_record import ModelSpec
from model_runtime.status import Counters, ModelState
from model_runtime.supervisor import memory
from model_runtime.supervisor.pressure import LastingPressure, Pressure
from model_runtime.supervisor.views import MachineView, ModelView, SpareView, SupervisorView, UpkeepView
from model_runtime.supervisor.watchdog import RelievePressure, WatchdogLimits, check

HOUR = 3600


class ReplayedMac:
    """One model on a Mac, called at intervals; `level` says what the kernel reports at a second."""

    def __init__(self, level: Callable[["ReplayedMac", int], int], call_interval_seconds: int) -> None:
        self.loads = 0
        self.unloads: list[int] = []
        """The seconds in which the model was unloaded."""
        self._level = level
        self._interval = call_interval_seconds
        self._scheduler = Scheduler([ModelSpec("m", 10)], 100)
        self._pressure = LastingPressure()
        self._second = 0

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._scheduler.records["m"].state is ModelState.READY

    def run(self, seconds: int) -> "ReplayedMac":
        """Replay so many seconds."""
        for self._second in range(seconds):
            if self._second % self._interval == 0:
                self._handle(RequestArrived(self._second, "m"))
            level = Pressure.from_level(self._level(self, self._second))
            self._pressure = self._pressure.updated(level, self._second)
            machine = MachineView(self._second, self._pressure, saves_energy=False)
            for action in check(self._view(), machine, WatchdogLimits(), self._second):
                if isinstance(action, RelievePressure):
                    self._handle(MemoryPressure(action.is_critical))
            self._handle(Tick())
        return self

    def _handle(self, event: SchedulerEvent) -> None:
        for action in self._scheduler.handle(self._second, event):
            match action:
                case StartWorker(model, incarnation):
                    self.loads += 1
                    self._handle(ModelLoaded(model, incarnation, 10))
                case Grant(request, model, incarnation):
                    self._handle(RequestFinished(request, model, incarnation))
                case StopWorker(model, incarnation):
                    self.unloads.append(self._second)
                    self._handle(WorkerExited(model, incarnation))
                case _:
                    raise AssertionError(f"unexpected: {action}")

    def _view(self) -> SupervisorView:
        return SupervisorView(
            models={"m": ModelView.from_record(self._scheduler.records["m"])},
            workers={},
            requests=(),
            spare=SpareView(),
            budget_bytes=100,
            charged_bytes=10,
            is_closing=False,
            finished_count=0,
            upkeep=UpkeepView(self._second - 1, self._second - 1, self._second - 1),
            counters=Counters({}, {}, {}, {}, {}, {}, {}, {}, {}),
            last_load_seconds={},
        )


def repeated(*levels: int) -> Callable[[ReplayedMac, int], int]:
    return lambda _, second: levels[second % len(levels)]


@pytest.mark.promise("runtime:pressure")
@pytest.mark.parametrize("call_interval_seconds", [1, 10, 60, 240])
def test_warnings_that_pass_unload_nothing(call_interval_seconds: int) -> None:
    mac = ReplayedMac(repeated(1, 2, 2, 1), call_interval_seconds).run(HOUR)

    assert (mac.loads, mac.unloads) == (1, [])


@pytest.mark.promise("runtime:pressure")
@pytest.mark.parametrize("call_interval_seconds", [1, 10, 29])
def test_a_model_in_use_stays_on_a_mac_that_never_stops_warning(call_interval_seconds: int) -> None:
    mac = ReplayedMac(repeated(2), call_interval_seconds).run(HOUR)

    assert (mac.loads, mac.unloads) == (1, [])


@pytest.mark.promise("runtime:pressure")
@pytest.mark.parametrize("call_interval_seconds", [31, 45, 60, 120, 240])
@pytest.mark.parametrize("level", [repeated(2), lambda mac, _: 2 if mac.is_loaded else 1], ids=["always", "own load"])
def test_a_mac_that_warns_all_the_time_loads_a_model_again_at_most_every_five_minutes(
    level: Callable[[ReplayedMac, int], int], call_interval_seconds: int
) -> None:
    mac = ReplayedMac(level, call_interval_seconds).run(HOUR)

    assert 1 < mac.loads <= 1 + HOUR / 300
    assert min(later - sooner for sooner, later in zip(mac.unloads, mac.unloads[1:], strict=False)) >= 300


@pytest.mark.promise("runtime:pressure")
def test_a_warning_that_lasts_unloads_a_model_idle_for_half_a_minute() -> None:
    mac = ReplayedMac(lambda _, second: 2 if second >= 5 else 1, 1000).run(100)

    assert mac.unloads == [30]


@pytest.mark.promise("runtime:pressure")
def test_a_critical_level_unloads_an_idle_model_at_once() -> None:
    mac = ReplayedMac(lambda _, second: 4 if second == 3 else 1, 1000).run(100)

    assert mac.unloads == [3]


class FakeSysctl:
    """`ctypes.CDLL(None)` with `sysctlbyname` of <sys/sysctl.h>: it writes an int and returns 0, or -1 on failure."""

    def __init__(self, level: int | None) -> None:
        self._level = level

    def sysctlbyname(self, name: bytes, old: Any, old_size: Any, new: object, new_size: int) -> int:
        """Write the level."""
        if name != b"kern.memorystatus_vm_pressure_level" or self._level is None:
            return -1
        ctypes.memmove(old, ctypes.byref(ctypes.c_int(self._level)), ctypes.sizeof(ctypes.c_int))
        return 0


@pytest.mark.parametrize(
    ("level", "pressure"),
    [
        (1, Pressure.NORMAL),
        (2, Pressure.WARNING),
        (4, Pressure.CRITICAL),
        (0, Pressure.NORMAL),
        (8, Pressure.CRITICAL),
        (None, Pressure.NORMAL),
    ],
)
def test_the_pressure_of_a_mac_is_the_level_of_its_kernel(
    level: int | None, pressure: Pressure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The levels are NOTE_MEMORYSTATUS_PRESSURE_NORMAL, …_WARN and …_CRITICAL of XNU's sys/event.h."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeSysctl(level))

    assert memory.pressure() is pressure
