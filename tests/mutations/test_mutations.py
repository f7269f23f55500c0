"""Every seeded defect of the media path makes a check of meaning fail, which passes without it."""

import pytest

from tests.meaning.checks import CHECKS
from tests.meaning.in_process import InProcessClient
from tests.mutations import audio, image_generation, images, speech, vision
from tests.mutations.mutation import Mutation

pytestmark = [pytest.mark.engines, pytest.mark.timeout(240)]
REGISTRY: dict[str, Mutation] = {
    f"{kind.__name__.rpartition('.')[2]}: {mutation}": mutation
    for kind in (images, vision, audio, speech, image_generation)
    for mutation in kind.MUTATIONS
}
CATCHERS = sorted({mutation.failing_check for mutation in REGISTRY.values()})


@pytest.mark.promise("meaning:mutations")
@pytest.mark.parametrize("name", REGISTRY)
async def test_a_defect_makes_its_check_fail(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    REGISTRY[name].apply(monkeypatch)

    with pytest.raises(AssertionError):
        await CHECKS[REGISTRY[name].failing_check].run(InProcessClient())


@pytest.mark.parametrize("name", CATCHERS)
async def test_the_check_passes_without_a_defect(name: str) -> None:
    await CHECKS[name].run(InProcessClient())
