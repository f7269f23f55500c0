"""The model runtime: models in and out of memory, and the requests they serve. Knows no protocol: nothing of HTTP,
OpenAI or MCP may live here.
"""
