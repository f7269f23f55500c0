"""The model runtime loads and unloads models and serves requests. It knows no protocol: no HTTP, OpenAI API or MCP."""
