.DEFAULT_GOAL := help
.PHONY: help run test check faults bench schema lock sbom audit

# The first Python on the PATH that is 3.11 or newer; asked to start, since a shim may exist without its Python.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
# Two makes at once must not fill one .venv: the second waits (where flock exists).
LOCKED := $(if $(shell command -v flock),flock Makefile) sh -ec
BIN := .venv/bin
COVERAGE_FLOOR := 85
# The tests start hundreds of processes: each would compile all modules anew where the environment forbids to keep them.
unexport PYTHONDONTWRITEBYTECODE

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

# Tests that kill processes or watch the time have the machine to themselves; the others share its processors. Which of
# them fails there, because the machine was too slow for all, must pass by itself; what it said before stands above.
COVERED := $(BIN)/python -m pytest --cov --cov-report=
ALL_TESTS := failed=0; \
  $(COVERED) -n auto --dist loadfile -m "not alone" || { echo "Once more, without others beside it: what failed"; \
    $(COVERED) --cov-append --last-failed --last-failed-no-failures none -m "not alone" || failed=1; }; \
  $(COVERED) --cov-append -m alone || failed=1; \
  exit $$failed

test: .venv/dev.lock  ## all tests, against servers of their own (ARGS="-k name" for some)
	@$(if $(ARGS),$(BIN)/python -m pytest $(ARGS),$(ALL_TESTS))

check: .venv/dev.lock  ## style, types, import directions, dependencies, and the coverage of the last whole test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry .
	@test ! -e .coverage || $(BIN)/coverage report --fail-under=$(COVERAGE_FLOOR)
	@if curl --silent --output /dev/null --max-time 3 $(ADVISORIES); then $(AUDIT); \
	  else echo "NOT CHECKED: known advisories, as $(ADVISORIES) does not answer (make audit)"; fi

faults: .venv/dev.lock  ## break everything at full size (hours; ARGS="-k redis" for some) and write docs/faults.md
	@LAVORI_FAULTS=full LAVORI_FAULTS_REPORT=docs/faults.md $(BIN)/python -m pytest -m fault $(ARGS)

bench: .venv/dev.lock  ## measure this machine (ARGS="import http" for some, ARGS=--help for more)
	@$(BIN)/python -m benchmarks $(ARGS)

schema: .venv/run.lock  ## bring the database of DATABASE_URL to this version's schema
	@$(BIN)/lavori migrate

SBOM := sbom.json

sbom: .venv/dev.lock  ## the packages of the image with their hashes, as CycloneDX: sbom.json
	@$(BIN)/cyclonedx-py requirements requirements/image.txt --pyproject pyproject.toml --output-reproducible -o $(SBOM)

# In an environment of its own, which uv makes: it judges what is locked, and nothing of it is installed here.
ADVISORIES := https://api.osv.dev
AUDIT := $(BIN)/uv tool run pip-audit==2.10.1 --vulnerability-service osv --disable-pip --require-hashes \
  --requirement requirements/image.txt

audit: .venv/dev.lock  ## known advisories about the packages of the image (asks api.osv.dev)
	@$(AUDIT)

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
