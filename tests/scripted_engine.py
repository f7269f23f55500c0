"""Engines without a model that do in a worker process what a test's script tells them to.

The script of a request is its text: commands separated by ";", each a word and perhaps an argument.

    say WORDS       send one piece per word
    pieces N        send N small pieces
    flood N         send N pieces of 64 KiB, as fast as they go
    wait PATH       wait until the file exists, checking for cancellation
    pause SECONDS   sleep
    hang            work for ever, deaf to cancellation
    stall           sleep for ever without a sign of progress, deaf to cancellation
    print WORDS     print to stdout and stderr
    raise WORDS     raise an exception nobody expects
    refuse WORDS    raise InvalidInput
    exhaust         raise MemoryError
    starve PATH     run out of the GPU's memory, unless the file exists; create it
    exit N          leave with this exit code
    signal N        die of this signal
    garbage         write nonsense over the link
    hangup          close the link for writing and stand still
    cut N           write the first N bytes of a message and leave
    lie BYTES       announce a message with a body of so many bytes that never come, and stand still
    babble N        say that job N has ended, and one nobody knows, that it makes progress, and that a load is done
    leave           leave with exit code 0 a moment after the job's end
    linger          once the job has ended, sleep for ever, deaf to orders
    touch PATH      create the file
    nothing         end without a result
    keep MEGABYTES  take memory and never give it back

What a load does is written in the same way in the option `load`, with the further command `progress FRACTION` and
`allocate MEGABYTES`, and `claim BYTES`, which is what it then says to hold.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from model_runtime.engines.protocol import CancelCheck, EngineOutput, LoadReporter
from model_runtime.errors import Cancelled, InvalidInput, LoadFailed, SensesError
from model_runtime.events import (
    AudioChunk,
    ChatResult,
    EmbeddingResult,
    EngineEvent,
    GeneratedImage,
    Progress,
    Result,
    Segment,
    SpeechResult,
    TextDelta,
    TranscriptionResult,
)
from model_runtime.ipc.codec import encode
from model_runtime.ipc.framing import LENGTH_PREFIX, pack
from model_runtime.ipc.messages import Heartbeat, LoadProgress, Ready, RequestOutcome, RequestOutput
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import Chat, Embed, GenerateImage, Request, Speak, Transcribe

POLL_SECONDS = 0.002
FLOOD_BYTES = 1 << 16
METAL_OUT_OF_MEMORY = (
    "[METAL] Command buffer execution failed: Insufficient Memory "
    "(00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)."
)
"""MLX's text with Metal's error (mlx/backend/metal/device.cpp)."""


class ScriptedEngine:
    """Each job is a generator."""

    takes_turns = True

    def __init__(self) -> None:
        self.allocations: list[bytearray] = []
        self.idle_calls = 0
        self.hangs_when_idle = False

    def load(self, spec: LoadSpec, report: LoadReporter) -> LoadedModel:
        """Follow the script of the option `load`."""
        for command, argument in parse_script(str(spec.options.get("load", ""))):
            if command == "progress":
                report("weights", float(argument))
            elif command == "allocate":
                self.allocations.append(bytearray(os.urandom(1 << 20)) * int(argument))
            elif command == "claim":
                return LoadedModel(int(argument), int(argument), int(argument))
            elif command == "refuse":
                raise LoadFailed(argument)
            else:
                list(execute(command, argument, lambda: None))
        held_bytes = sum(map(len, self.allocations))
        return LoadedModel(held_bytes, held_bytes, held_bytes)

    def run(self, request: Request, check: CancelCheck) -> Iterator[EngineEvent | Result]:
        """Follow the request's script and end with a result of its kind."""
        assert threading.current_thread() is threading.main_thread()
        pieces: list[str] = []
        for command, argument in parse_script(script_of(request)):
            if command == "nothing":
                return
            if command == "linger":
                self.hangs_when_idle = True
                continue
            if command == "keep":
                self.allocations.append(bytearray(os.urandom(1 << 20)) * int(argument))
                continue
            for piece in execute(command, argument, check):
                check()
                pieces.append(piece)
                yield event_of(request, len(pieces), piece)
        yield result_of(request, "".join(pieces))

    def idle(self) -> None:
        """Count, unless it was told to linger."""
        self.idle_calls += 1
        if self.hangs_when_idle:
            threading.Event().wait()


class ScriptedStepEngine:
    """Any number of jobs at a time, one piece of each with every step."""

    def __init__(self) -> None:
        self.engine = ScriptedEngine()
        self.jobs: dict[int, Iterator[EngineEvent | Result]] = {}

    def load(self, spec: LoadSpec, report: LoadReporter) -> LoadedModel:
        """Follow the script of the option `load`."""
        return self.engine.load(spec, report)

    def submit(self, job: int, request: Request) -> None:
        """Take the job in; "refuse" as its first command does not even start it."""
        script = parse_script(script_of(request))
        if script and script[0][0] == "refuse":
            raise InvalidInput(script[0][1], param="messages")
        self.jobs[job] = self.engine.run(request, lambda: None)

    def step(self) -> list[tuple[int, EngineOutput]]:
        """Work a little on every job."""
        outcomes = [(job, self._next_outcome(job)) for job in list(self.jobs)]
        time.sleep(POLL_SECONDS)
        return outcomes

    def cancel(self, job: int) -> None:
        """Drop a job."""
        self.jobs.pop(job, None)

    def idle(self) -> None:
        """Count."""
        self.engine.idle()

    def _next_outcome(self, job: int) -> EngineOutput:
        try:
            outcome: EngineOutput = next(self.jobs[job])
        except SensesError as error:
            outcome = error
        if isinstance(outcome, Result | SensesError):
            del self.jobs[job]
        return outcome


def parse_script(script: str) -> list[tuple[str, str]]:
    """Split a script into commands with their arguments."""
    parts = [part.strip().partition(" ") for part in script.split(";") if part.strip()]
    return [(command, argument) for command, _, argument in parts]


def script_of(request: Request) -> str:
    """The text of a request, whichever kind it is."""
    if isinstance(request, Chat):
        return " ".join(part for part in request.messages[-1].content if isinstance(part, str))
    if isinstance(request, Embed):
        return " ".join(request.texts)
    return request.text if isinstance(request, Speak) else request.prompt


def execute(command: str, argument: str, check: CancelCheck) -> Iterator[str]:
    """Do what a command says and yield what there is to be sent."""
    match command:
        case "say":
            words = argument.split()
            yield from (word if word is words[-1] else word + " " for word in words)
        case "pieces":
            yield from (f"{number} " for number in range(int(argument)))
        case "flood":
            yield from ("x" * FLOOD_BYTES for _ in range(int(argument)))
        case "wait":
            _poll_until(Path(argument).exists, check)
        case "pause":
            time.sleep(float(argument))
        case "hang":
            while True:
                yield from ()
        case "stall":
            threading.Event().wait()
        case "touch":
            Path(argument).touch()
        case _:
            _execute_fault(command, argument)


def _execute_fault(command: str, argument: str) -> None:
    match command:
        case "print":
            sys.stdout.write(argument + "\n")
            sys.stderr.write(argument + "\n")
        case "raise":
            raise RuntimeError(argument)
        case "refuse":
            raise InvalidInput(argument, param="prompt")
        case "exhaust":
            raise MemoryError
        case "starve" if not Path(argument).exists():
            Path(argument).touch()
            raise RuntimeError(METAL_OUT_OF_MEMORY)
        case "starve":
            pass
        case "exit":
            os._exit(int(argument))
        case "signal":
            os.kill(os.getpid(), int(argument))
        case "garbage":
            os.write(3, b"\xff" * 64)
            threading.Event().wait()
        case "hangup":
            # through PyDLL the interpreter's lock is kept, so that the guardian does not get to act
            ctypes.PyDLL(None).shutdown(3, socket.SHUT_WR)
            os.kill(os.getpid(), signal.SIGSTOP)
        case "cut":
            os.write(3, b"".join(pack(*encode(Heartbeat((), 0, 0))))[: int(argument)])
            os._exit(1)
        case "lie":
            os.write(3, LENGTH_PREFIX.pack(10, int(argument)))
            os.kill(os.getpid(), signal.SIGSTOP)
        case "babble":
            error = Cancelled("It says so itself.")
            messages = (
                RequestOutcome(int(argument), error),
                RequestOutcome(999, error),
                RequestOutput(999, TextDelta("x")),
            )
            for report in (*messages, Ready(LoadedModel(0, 0, 0)), LoadProgress("weights", 0.5)):
                os.write(3, b"".join(pack(*encode(report))))
        case "leave":
            threading.Timer(0.1, os._exit, (0,)).start()
        case _:
            raise AssertionError(f"unknown command {command!r}")


def _poll_until(condition: Callable[[], bool], check: CancelCheck) -> None:
    while not condition():
        check()
        time.sleep(POLL_SECONDS)


def event_of(request: Request, number: int, piece: str) -> EngineEvent:
    """A piece in the form of the request's task."""
    if isinstance(request, Chat):
        return TextDelta(piece)
    if isinstance(request, GenerateImage):
        return Progress("steps", number, request.steps)
    if isinstance(request, Transcribe):
        return Segment(number - 1, number - 1.0, float(number), piece)
    if isinstance(request, Embed):
        return Progress("texts", number, len(request.texts))
    return AudioChunk(piece.encode(), 24_000)


def result_of(request: Request, text: str) -> Result:
    """A result in the form of the request's task; what a picture or a sound holds can be counted in it."""
    if isinstance(request, Chat):
        pictures = [part for message in request.messages for part in message.content if not isinstance(part, str)]
        return ChatResult(text, "stop", sum(len(picture.rgb) for picture in pictures), len(text.split()))
    if isinstance(request, GenerateImage):
        return GeneratedImage(text.encode(), request.width, request.height, request.seed, request.steps)
    if isinstance(request, Transcribe):
        return TranscriptionResult(text, request.language or "en", request.audio.duration_seconds, ())
    if isinstance(request, Embed):
        return EmbeddingResult(bytes(4 * len(request.texts)), 1, len(text.split()))
    return SpeechResult(len(text) / 48_000, 24_000, request.voice, request.language)
