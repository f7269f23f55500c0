"""A part of the requests that `make fuzz` makes of the description of the API."""

import pytest

from tests.fuzz.described import described_inputs
from tests.fuzz.requests import send_inputs

NUMBER = 200


@pytest.mark.promise("openai:described")
@pytest.mark.promise("reliability:requests-lie")
@pytest.mark.filterwarnings("ignore")  # schemathesis warns of what hypothesis will change
def test_no_request_that_is_described_is_answered_with_500_or_not_at_all(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("CRITICAL"):
        statuses = send_inputs(NUMBER, 1, described_inputs)

    assert statuses["200"] > NUMBER // 20, statuses
    assert statuses["400"] > NUMBER // 20, statuses
