# Senses with the built-in models, on Linux and the processor. docs/network.md says how to run it.
FROM python:3.12-slim-bookworm

RUN useradd --create-home senses && mkdir /data && chown senses /data
WORKDIR /senses
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir 'uv>=0.13,<0.14' && uv pip install --system --no-cache --no-deps -r requirements.lock
COPY packaging/agents packaging/agents
COPY mcp_server mcp_server
COPY model_runtime model_runtime
COPY openai_compat openai_compat
RUN uv pip install --system --no-cache --no-deps .

USER senses
# it listens to the network of the container, and so refuses to start without SENSES_API_KEY
ENV SENSES_HOME=/data SENSES_HOST=0.0.0.0 HF_HOME=/data/huggingface
VOLUME /data
EXPOSE 7367
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7367/health', timeout=4)"]
CMD ["senses", "serve"]
