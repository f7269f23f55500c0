"""OpenAI's HTTP API, the status page and Prometheus over the shared runtime. Knows nothing of MCP and never decides
about models itself.
"""
