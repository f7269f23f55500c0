"""What a caller is told when its request is added."""

from model_runtime.events import ModelChosen, Warnings
from model_runtime.prepare import PreparedRequest
from model_runtime.requests import Speak, Task
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.request_table import RequestTable
from tests.model_runtime.library import scripted_model


async def test_another_model_than_the_one_meant_is_told_first() -> None:
    model = scripted_model("korean-voice", Task.SPEECH)
    prepared = PreparedRequest(
        Speak("korean-voice", "안녕하세요"), model, Task.SPEECH, warnings=("why",), is_other_model=True
    )

    added = RequestTable(lambda: 0.0, CounterRegistry(), lambda request: None).add(1, prepared, "")

    assert await added.outputs.get() == ModelChosen("korean-voice", starter=False)
    assert await added.outputs.get() == Warnings(("why",))
