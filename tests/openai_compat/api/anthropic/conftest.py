"""Anthropic's client in front of the fake runtime."""

from collections.abc import AsyncGenerator

import pytest
from anthropic import AsyncAnthropic


@pytest.fixture
async def claude(url: str) -> AsyncGenerator[AsyncAnthropic]:
    """Yield Anthropic's client. Its strict validation rejects answers that do not match its types."""
    async with AsyncAnthropic(
        base_url=url, api_key="unused", max_retries=0, timeout=30, _strict_response_validation=True
    ) as client:
        yield client
