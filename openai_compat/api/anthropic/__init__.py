"""Anthropic's Messages API on the same models: /v1/messages, its token count, and models in its shape.

Format: https://docs.anthropic.com/en/api/messages
"""
