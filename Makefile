# make demo, make test, make check: each sets up what it needs from a bare Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup setup-dev demo test test-engine test-live test-faults test-fast kafka live-demo live-faults check lint types imports docs format lock assets evidence bench clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Headway needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# One pip, two lists: what runs Headway, and what builds and checks it. Hashes are checked, nothing is resolved anew.
$(VENV)/.runtime: $(VENV)/.made requirements/runtime.lock pyproject.toml
	$(BIN)/pip install --quiet --require-hashes -r requirements/runtime.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.lock
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.lock
	@touch $@

setup: $(VENV)/.runtime  ## .venv/bin/headway
setup-dev: $(VENV)/.dev  ## and the tools that check it

demo: setup  ## a simulated hub's school year, what was planted and what was found
	$(BIN)/headway demo --no-console

test: setup-dev  ## every test: three parts side by side, most of the live ones wait
	$(MAKE) --no-print-directory --jobs=3 --output-sync=target test-engine test-live test-faults

HARD := $(addprefix tests/live/test_,cluster.py faults.py poison.py same_as_embedded.py signed_in.py soak.py)

# Real brokers and real time on a machine that does other things too: what failed is tried once more, and said.
AGAIN = echo "tried once more:"; $(BIN)/python -m pytest --last-failed --last-failed-no-failures=none -o cache_dir=.pytest_cache

test-engine: setup-dev  ## all but the live runner
	$(BIN)/python -m pytest --doctest-modules --ignore=tests/live

test-live: setup-dev  ## the live runner on a real broker
	$(BIN)/python -m pytest -o cache_dir=.pytest_cache/live tests/live $(addprefix --ignore=,$(HARD)) || { $(AGAIN)/live tests/live; }

test-faults: setup-dev  ## the live runner killed, starved, poisoned, and beside the embedded one
	$(BIN)/python -m pytest -o cache_dir=.pytest_cache/faults $(HARD) || { $(AGAIN)/faults $(HARD); }

test-fast: setup-dev  ## the tests that take seconds
	$(BIN)/python -m pytest --doctest-modules -m "not slow"

kafka: setup  ## a broker on this laptop at 127.0.0.1:9092 (Java 17 and Maven)
	$(BIN)/python -m deploy.kafka.broker

live-demo: setup  ## broker, topics, two workers, a closer, a simulated hub: from nothing to alerts
	$(BIN)/python -m deploy.live_demo

live-faults: setup-dev  ## 200 kills and the long outages; about an hour
	$(BIN)/python -m benchmarks.live_faults

lint: setup-dev  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .

types: setup-dev  ## mypy, strict, over code and tests
	$(BIN)/mypy

imports: setup-dev  ## schemas <- models <- streams
	$(BIN)/lint-imports

docs: setup-dev  ## the pages, every link held to exist
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

check: lint types imports docs test  ## what CI runs

format: setup-dev  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup-dev  ## resolve again, with hashes and without any registry's address
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml requirements/build.in -o requirements/runtime.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --all-extras -c requirements/runtime.lock pyproject.toml requirements/build.in -o requirements/dev.lock

# Node is needed to make the console's style sheet anew, and for nothing else.
assets:  ## console/static from GOV.UK Frontend (Node and npm); committed, so that running needs no Node
	cd console/assets && npm ci && ./node_modules/.bin/sass --style=compressed --no-source-map --no-charset --load-path=node_modules headway.scss ../static/headway.css

evidence: setup-dev  ## every figure of docs/evidence that needs no more than minutes (HEADWAY_DATA names the real data)
	$(BIN)/python -m benchmarks.new_york
	$(BIN)/python -m benchmarks.calendar_effects
	$(BIN)/python -m benchmarks.calibration
	$(BIN)/python -m benchmarks.core
	$(BIN)/python -m benchmarks.year_groups

bench: setup-dev  ## a year of England from files, end to end (some ten minutes; the files are kept)
	$(BIN)/python -m benchmarks.england_files

clean:  ## away with the environment and everything that was made
	rm -rf $(VENV) demo-out site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
