"""OpenAI's HTTP API, the status page and Prometheus metrics of the shared runtime. Does not know MCP, and leaves every
decision about models to the runtime.
"""
