.DEFAULT_GOAL := help
.PHONY: help run test check faults bench schema lock

# The first Python on the PATH that is 3.11 or newer; asked to start, since a shim may exist without its Python.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
# Two makes at once must not fill one .venv: the second waits (where flock exists).
LOCKED := $(if $(shell command -v flock),flock Makefile) sh -ec
BIN := .venv/bin
COVERAGE_FLOOR := 85

# $(call install,run): the packages of requirements/run.txt, only when that file's content changed, then the project.
define install
@test -n "$(PYTHON)" || { echo "Lavori needs Python 3.11 or newer: install python3.11, or say make PYTHON=/path/to/python." >&2; exit 1; }
@$(LOCKED) ' \
  test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
    echo "$(PYTHON) cannot make a virtual environment: install its venv package (on Debian: python3-venv)." >&2; exit 1; }; \
  cmp -s requirements/$(1).txt .venv/$(1).lock || { \
    echo "Installing requirements/$(1).txt into .venv (once)"; \
    $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/$(1).txt; }; \
  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
  cp requirements/$(1).txt .venv/$(1).lock'
endef

help:  ## list these targets
	@grep -hE '^[a-z.]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1  \2/' | column -t -l 3 2>/dev/null || grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST)

run: .venv/run.lock  ## the whole system on this machine: PostgreSQL, Valkey, workers, API (Ctrl-C ends it)
	@$(BIN)/lavori dev

test: .venv/dev.lock  ## all tests, against servers of their own (ARGS="-k name" for some)
	@$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),--cov --cov-report=)

check: .venv/dev.lock  ## style, types, import directions, dependencies, and the coverage of the last whole test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry .
	@test ! -e .coverage || $(BIN)/coverage report --fail-under=$(COVERAGE_FLOOR)

faults: .venv/dev.lock  ## break everything at full size (hours; ARGS="-k redis" for some) and write docs/faults.md
	@LAVORI_FAULTS=full LAVORI_FAULTS_REPORT=docs/faults.md $(BIN)/python -m pytest -m fault $(ARGS)

bench: .venv/dev.lock  ## measure this machine (ARGS="import http" for some, ARGS=--help for more)
	@$(BIN)/python -m benchmarks $(ARGS)

schema: .venv/run.lock  ## bring the database of DATABASE_URL to this version's schema
	@$(BIN)/lavori migrate

# Extras stay in the lock: without them pip before 23.3 takes the newest coverage for pytest-cov's coverage[toml].
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-strip-extras --no-emit-index-url --no-annotate --no-header --quiet $(ARGS)

lock: .venv/dev.lock  ## resolve the dependencies anew (ARGS=--upgrade for newer ones)
	@$(LOCK) --all-extras --output-file requirements/dev.txt
	@$(LOCK) --extra query --extra dev --extra build --constraint requirements/dev.txt --output-file requirements/run.txt
	@$(LOCK) --extra query --extra otel --extra build --constraint requirements/dev.txt --output-file requirements/image.txt

.venv/run.lock: requirements/run.txt pyproject.toml
	$(call install,run)

.venv/dev.lock: requirements/dev.txt pyproject.toml
	$(call install,dev)
