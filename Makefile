# Everything below happens inside one virtual environment, .venv/, made and kept current by these rules.
# Nothing else on the machine is touched. Another place: make VENV=/somewhere test. Another Python: make PYTHON=python3.12 demo.

VENV   ?= .venv
BIN    := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)

# The stamps carry a checksum of what decides the content of the environment: unchanged means nothing to install.
KEY  := $(firstword $(shell cat pyproject.toml Makefile | cksum))
CORE := $(VENV)/.core-$(KEY)
DEV  := $(VENV)/.dev-$(KEY)
# Tests that need torch run in an environment of their own: the main job's stays free of it.
TORCHVENV := $(VENV)-torch
TORCH     := $(TORCHVENV)/.torch-$(KEY)
# The site is built from docstrings without importing the program: its tools have an environment of their own.
SITEVENV := $(VENV)-site
SITE     := $(SITEVENV)/.site-$(firstword $(shell cksum < docs/requirements.txt))

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PYTHONUTF8 := 1

.PHONY: help demo test test-torch faults check bench docs site clean
.DEFAULT_GOAL := help

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-9s %s\n", $$1, $$2}'

demo: $(CORE) ## Ingest the sample papers, answer four questions, write demo_output/
	@$(BIN)/python data/demo.py

test: $(DEV) ## Run the tests (RAG_APP_TEST_DATA=folder adds the tests on real papers)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-torch: $(TORCH) ## Run the tests of CLIP and of the medical assistant, in an environment of their own (2 to 7 GB)
	$(TORCHVENV)/bin/python -m pytest -m 'clip or medical' $(PYTEST_ARGS)

faults: $(DEV) ## Bring about every mishap of tests/faults, in full (an hour or more)
	RAG_APP_FAULTS=full $(BIN)/python -m pytest -m faults $(PYTEST_ARGS)

check: $(DEV) ## Lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-cache

bench: $(DEV) ## Measure on the sample papers, alone and beside other programs, which are installed (4 GB) into bench_output/
	$(BIN)/rag-app ingest data/papers --library bench_output/library
	$(BIN)/rag-app eval extraction data/papers --library bench_output/library
	$(BIN)/rag-app eval retrieval data/questions/sample.jsonl --library bench_output/library
	$(BIN)/rag-app eval answers data/questions/sample.jsonl --library bench_output/library
	$(BIN)/python -m benchmarks.peers.side_by_side

docs: $(DEV) ## Rewrite docs/cli.md from the commands' --help, docs/errors.md, and the faults in docs/ollama.md from meeting them
	$(BIN)/python docs/build_cli.py
	$(BIN)/python docs/build_errors.py
	$(BIN)/python docs/build_faults.py

site: $(SITE) ## Build the documentation into site/, failing on any warning
	NO_MKDOCS_2_WARNING=1 $(SITEVENV)/bin/mkdocs build --quiet --strict

clean: ## Remove the environment, the caches and what demo and bench wrote
	rm -rf $(VENV) $(TORCHVENV) $(SITEVENV) demo_output bench_output site .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(CORE): | python-found
	@echo "Installing into $(VENV)/ (about 1.0 GB, one to three minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --editable .
	@$(BIN)/rag-app models pull builtin
	@rm -f $(VENV)/.core-* && touch $@

$(DEV): $(CORE)
	@echo "Installing the tools for tests and checks into $(VENV)/"
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@rm -f $(VENV)/.dev-* && touch $@

$(TORCH): | python-found
	@echo "Installing torch and open_clip into $(TORCHVENV)/"
	@test -x $(TORCHVENV)/bin/python || $(PYTHON) -m venv $(TORCHVENV)
	@$(TORCHVENV)/bin/python -m pip install --quiet --constraint constraints-torch.txt --editable '.[dev,clip,medical]'
	@$(TORCHVENV)/bin/rag-app models pull builtin
	@rm -f $(TORCHVENV)/.torch-* && touch $@

$(SITE): | python-found
	@echo "Installing mkdocs into $(SITEVENV)/"
	@test -x $(SITEVENV)/bin/python || $(PYTHON) -m venv $(SITEVENV)
	@$(SITEVENV)/bin/python -m pip install --quiet --requirement docs/requirements.txt
	@rm -f $(SITEVENV)/.site-* && touch $@

.PHONY: python-found
python-found:
	@test -n "$(PYTHON)" || { echo "rag-app needs Python 3.11, 3.12 or 3.13 with venv; none was found. Name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
