"""A bounded part of `make fuzz`: whatever is wrong with a model's files, everything answers."""

import pytest

from tests.fuzz.files import run_cases, scratch_folder

CASES = 200


@pytest.mark.promise("reliability:broken-model")
@pytest.mark.promise("reliability:foreign-files")
async def test_spoilt_model_folders_are_reported_in_a_sentence_and_never_end_anything() -> None:
    with scratch_folder() as folder:
        report = await run_cases(folder, range(CASES), seed=2026)

    assert report.faults == []
    assert report.cases == CASES
    assert report.broken > CASES / 2
