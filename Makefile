# make demo, make test, make check: each sets up what it needs from a bare Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup setup-dev demo test test-engine test-live test-faults test-fast kafka live-demo live-faults check lint types imports docs format lock assets evidence backtests bench clean

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

demo: setup  ## a simulated hub's school year, what was planted and found, and its console
	$(BIN)/headway demo

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

# Some 8 minutes of one core, then some 3, 5 and 5; each goes on where it was stopped.
backtests: NEW_YORK = $(HEADWAY_DATA)/nyc_2015_16
backtests: setup-dev  ## false alarms and delays against others and an oracle (HEADWAY_DATA names the real data)
	$(BIN)/headway backtest --null-years 60 --drift check@20 --drift step:1@82 --drift step:2@86 --drift group:4@54 --drift ramp:1.5@14 --drift step:3@14 --drift step:0.5@14 --drift shock@40 --drift hard-shock@30 --drift season@10 --drift missing@10 --drift all-present@10 --drift provisional@10 --drift hub:2@8 --drift hub:0@8 --rate .5 --rate .1 --jobs 2 --out backtest-out/main > /dev/null
	$(BIN)/headway backtest --methods T,C --school-count 2000 --null-years 6 --drift step:1@3 --drift step:2@3 --jobs 2 --out backtest-out/peers-10 > /dev/null
	$(BIN)/headway backtest --methods T,C --school-count 2000 --share .02 --null-years 6 --drift step:1@10 --drift step:2@10 --jobs 2 --out backtest-out/peers-02 > /dev/null
	$(BIN)/headway backtest --methods ours,page-hinkley-peers,adwin,adwin-peers,kswin,kswin-peers --slow-years 5 --school-count 100 --areas 3 --null-years 5 --drift step:1 --drift step:2 --jobs 2 --out backtest-out/slow > /dev/null
	$(BIN)/headway backtest $(NEW_YORK)/sessions.jsonl.gz $(foreach f,schools targets calendar,--$(f) $(NEW_YORK)/$(f).csv) --history $(NEW_YORK)/history.jsonl.gz --rate .5 --rate .25 --rate .1 --jobs 2 --out backtest-out/new-york > /dev/null
	$(BIN)/python -m benchmarks.backtest_page --measured-at $$(git rev-parse --short HEAD) --main backtest-out/main --peers-10 backtest-out/peers-10 --peers-02 backtest-out/peers-02 --slow backtest-out/slow --new-york backtest-out/new-york
	$(BIN)/python -m benchmarks.what_headway_can_see
	$(BIN)/python -m benchmarks.goals

bench: setup-dev  ## a year of England from files, end to end (some ten minutes; the files are kept)
	$(BIN)/python -m benchmarks.england_files

clean:  ## away with the environment and everything that was made
	rm -rf $(VENV) demo-out site backtest-out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
