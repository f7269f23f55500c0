"""Tests of `openai_compat/api/anthropic`, through Anthropic's own client."""
