"""One training run: its clock, its learning rate and its state on disk.

Progress is counted in seconds trained, so the schedule ends on time however busy the machine is, and the same command
goes on where it was stopped.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

SAVE_SECONDS, LOG_STEPS = 60.0, 50


class Course:
    """Steps of a training over `seconds`, with the state in `file`."""

    def __init__(
        self, network: nn.Module, parameters: list[nn.Parameter], file: Path, *, seconds: float, rate: float,
        warm_steps: int, clip: float, kept: Callable[[], Mapping[str, Tensor]],
    ) -> None:  # fmt: skip
        self.file, self.total, self.rate, self.warm_steps, self.clip = file, seconds, rate, warm_steps, clip
        self.parameters, self.kept = parameters, kept
        self.optimizer = torch.optim.AdamW(parameters, lr=rate, betas=(0.8, 0.98), weight_decay=1e-4)
        self.step, self.seconds = 0, 0.0
        if file.exists():
            state = torch.load(file, map_location="cpu")
            network.load_state_dict(state["weights"], strict=False)
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.seconds = state["step"], state["seconds"]

    @property
    def part(self) -> float:
        """How much of the training is done, 0..1."""
        return self.seconds / self.total

    def run(self, losses: Callable[[], dict[str, Tensor]]) -> None:
        """Train until the time is over; `losses` gives named losses whose sum is to fall."""
        sums: dict[str, float] = {}
        for named in self._steps(losses):
            for name, value in named.items():
                sums[name] = sums.get(name, 0.0) + value.item() / LOG_STEPS
            if self.step % LOG_STEPS == 0:
                shown = "  ".join(f"{name} {value:.3f}" for name, value in sums.items())
                logger.info("step %d  %.0f s  %s", self.step, self.seconds, shown)
                sums = {}
        self.save()

    def save(self) -> None:
        """Write weights and optimizer; never a half file."""
        state = {"weights": dict(self.kept()), "optimizer": self.optimizer.state_dict()}
        partial = self.file.with_suffix(".partial")
        torch.save({**state, "step": self.step, "seconds": self.seconds}, partial)
        partial.rename(self.file)

    def _steps(self, losses: Callable[[], dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
        saved = self.seconds
        while self.seconds < self.total:
            begun = time.monotonic()
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate * min(1, (self.step + 1) / self.warm_steps) * (1.02 - self.part)
            named = losses()
            self.optimizer.zero_grad()
            torch.stack(list(named.values())).sum().backward()
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
            self.optimizer.step()
            self.step += 1
            self.seconds += time.monotonic() - begun
            yield named
            if self.seconds - saved > SAVE_SECONDS:
                self.save()
                saved = self.seconds
