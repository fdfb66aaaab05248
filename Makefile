# make alone prints the menu. Everything below needs Python 3.11 and make; uv and the rest come from PyPI, by hash.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.locked
LOCKS := requirements/uv.txt requirements/runtime.txt requirements/dev.txt
# The first of these that is there; the locks are for 3.11 and later.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(name) 2>/dev/null)))
# torch and the like, which only `make model` needs.
TRAINING := .venv-training
# mutmut, which wants a newer click than Faust: only make mutation needs it.
MUTATION := .venv-mutation
DATA ?=
# What is given to the demo and to pytest by hand: make test ARGS="-k slack"
ARGS ?=
# How many tests run at a time: most of them wait for servers. make test JOBS=0 runs one after the other, in one process.
JOBS ?= 2
# How many rounds of faults make chaos plays.
ROUNDS ?= 30

##@ Start here
.PHONY: demo
demo: $(STAMP) ## the whole bridge on this machine, no account needed; ends by itself
	$(BIN)/careline demo $(ARGS)

.PHONY: up
up: $(STAMP) ## every role on this machine, until Ctrl-C; without a careline.yaml beside stand-ins for X and Slack
	$(BIN)/careline up --embedded $(if $(or $(CARELINE_CONFIG),$(wildcard careline.yaml)),,--sandbox) $(ARGS)

##@ Work on it
.PHONY: setup
setup: $(STAMP) ## .venv with the locked dependencies (done by the others if needed)

.PHONY: test
test: $(STAMP) ## all tests; those on a real Kafka are skipped, with the reason, if it is not set up
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

.PHONY: test-fast
test-fast: $(STAMP) ## the tests that take no real Kafka and no patience
	$(BIN)/python -m pytest -m "not slow and not kafka" $(ARGS)

.PHONY: coverage
coverage: $(STAMP) ## all tests, with the lines and branches that none of them reached
	$(BIN)/python -m pytest --cov --cov-report=term-missing $(ARGS)

.PHONY: coverage-domain
coverage-domain: $(STAMP) ## the rules of the heart: fails if a line or a branch of them is not taken by a test of its own
	$(BIN)/python -m pytest -q tests/careline/domain --hypothesis-seed=1 -p no:randomly \
		--ignore tests/careline/domain/test_state_machine.py --ignore tests/careline/domain/test_properties.py \
		--cov=careline.domain --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100 $(ARGS)

.PHONY: check
check: $(STAMP) ## format, lint, types, import rule, dependencies, spelling, Docker files, locks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry .
	$(BIN)/codespell
	$(BIN)/python -m pytest -q tests/test_architecture.py
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile
	$(BIN)/python requirements/lock.py --check

.PHONY: simulate
simulate: $(STAMP) ## the promise under 10,000 schedules of faults in virtual time (ARGS="--schedules 500")
	$(BIN)/python -m tests.simulation run $(ARGS)

.PHONY: simulate-planted
simulate-planted: $(STAMP) ## every planted bug: the seed that finds it and what the judge says
	$(BIN)/python -m tests.simulation planted $(ARGS)

.PHONY: chaos
chaos: $(STAMP) ## faults on real processes, ROUNDS of them by turns (ARGS="--only worker-kill", ARGS=--kafka, ARGS=alerts)
	$(BIN)/python -m tests.chaos --rounds $(ROUNDS) $(ARGS)

.PHONY: chaos-nightly
chaos-nightly: $(STAMP) ## the fault matrix at full length: some hours
	CARELINE_TEST_FULL=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --timeout 1800 $(ARGS)
	$(BIN)/python -m tests.chaos --full --rounds 200
	$(BIN)/python -m tests.chaos --full --rounds 60 --kafka
	$(BIN)/python -m tests.chaos alerts --alerts 5000 --kills 200

.PHONY: bench
bench: $(STAMP) ## figures against Faust and Quix Streams, into bench/results.json (needs the real Kafka)
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-deadlines
bench-deadlines: $(STAMP) ## how late a step is among 100,000 deadlines, into bench/deadlines.json (needs the real Kafka)
	$(BIN)/python -m bench.deadlines $(ARGS)

.PHONY: bench-triage
bench-triage: $(TRAINING)/.locked ## triage beside VADER and a tf-idf logistic, into bench/triage.json
	$(TRAINING)/bin/python -m bench.triage $(ARGS)

.PHONY: mutation
mutation: $(MUTATION)/.locked ## small bugs in clock, ladder and case: how many the tests notice (ARGS="ladder steps")
	$(MUTATION)/bin/python -m tests.mutation $(ARGS)

##@ Now and then
.PHONY: model
model: $(TRAINING)/.locked ## the triage model from a data folder: make model DATA=DIR (ARGS=--no-nc, --linear, --work DIR)
	@test -n "$(DATA)" || { echo "make model DATA=DIR, where DIR is the data folder" >&2; exit 2; }
	$(TRAINING)/bin/python -m training.build --data "$(DATA)" $(ARGS)

.PHONY: setup-kafka
setup-kafka: $(STAMP) ## the jars of a real Apache Kafka for the tests, checked against their sha256 (needs mvn once)
	$(BIN)/python -m tests.support.kafka.jars

.PHONY: lock
lock: $(STAMP) ## resolve the locks again from pyproject.toml (ARGS=--upgrade for newer versions)
	$(BIN)/python requirements/lock.py $(ARGS)

.PHONY: clean
clean: ## remove what the tools made, and .venv
	rm -rf $(VENV) $(TRAINING) $(MUTATION) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage* build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## this menu
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(TRAINING)/.locked: $(STAMP) requirements/training.txt
	test -x $(TRAINING)/bin/python || "$(PYTHON)" -m venv $(TRAINING)
	$(BIN)/python -m uv pip install --quiet --python $(TRAINING)/bin/python --require-hashes -r requirements/training.txt
	@touch $@

$(MUTATION)/.locked: $(STAMP) requirements/mutation.txt
	test -x $(MUTATION)/bin/python || "$(PYTHON)" -m venv $(MUTATION)
	$(BIN)/python -m uv pip install --quiet --python $(MUTATION)/bin/python --require-hashes -r requirements/mutation.txt
	@touch $@

$(STAMP): $(LOCKS) pyproject.toml
	@test -n "$(PYTHON)" || { echo "careline needs Python 3.11 or later: install it, or make PYTHON=/path/to/python" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "careline needs Python 3.11 or later, $(PYTHON) is older: make PYTHON=/path/to/python" >&2; exit 2; }
	test -x $(BIN)/pip || "$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
