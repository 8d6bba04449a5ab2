# Two commands do everything, set-up included: `make demo` and `make test`.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3)
ARCHITECTURE ?= x86_64
# SAM's own image by default; name another where that one cannot be pulled: make local-invoke INVOKE_IMAGE=…
INVOKE_IMAGE ?=
# An image with Python 3.13, on which the example of worker/ is built.
WORKER_BASE ?= python:3.13-slim
# Seeds of random days: a range, such as 0-999, which the next one can follow; or one.
DAYS ?= 0-199
# What `make audit` reads, and where it writes.
FLOW_LOGS ?= flow-logs
TOPOLOGY ?= topology
OUT ?= build/audit
# More for `make demo` and `make bench`: make demo ARGS="--seed 5"
ARGS ?=

# A uv that runs: the machine's, else one from the package index in .tools.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .tools/bin/uv)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)/layers/core:$(CURDIR)/worker:$(CURDIR)
export SAM_CLI_TELEMETRY := 0
# Simulated cold starts import anew: without bytecode they would compile anew.
export PYTHONDONTWRITEBYTECODE :=
export AWS_DEFAULT_REGION ?= eu-central-1

.PHONY: help setup demo test check audit lint types contracts template checkov bench local-invoke local-worker long days crashes mutants docs requirements clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

setup: .venv/.complete ## Make the environment

.tools/bin/uv:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .tools uv

.venv/.complete: requirements/development.txt .python-version $(filter .tools/%,$(UV))
	$(UV) venv --quiet --allow-existing --python "$$(cat .python-version)" .venv
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/development.txt
	touch $@

demo: setup ## All automations on the simulator, without and with Berthmaster
	$(BIN)/python -m simulator.demo $(ARGS)

audit: setup ## Security groups from files: make audit FLOW_LOGS=dir TOPOLOGY=dir OUT=dir
	$(BIN)/python -m berthmaster.security_groups.audit "$(FLOW_LOGS)" "$(TOPOLOGY)" "$(OUT)"

test: setup ## All tests but the long ones
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: lint types contracts template test ## Everything CI runs

lint: setup ## Style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup ## Types
	$(BIN)/mypy

contracts: setup ## Who may import whom
	$(BIN)/lint-imports --no-logo

template: setup checkov ## The SAM template
	$(BIN)/sam validate --lint

checkov: setup .venv-checkov/.complete ## Security findings of the template
	.venv-checkov/bin/checkov --config-file .checkov.yaml

.venv-checkov/.complete: requirements/checkov.txt | .venv/.complete
	$(UV) venv --quiet --allow-existing --python "$$(cat .python-version)" .venv-checkov
	$(UV) pip sync --quiet --python .venv-checkov/bin/python --require-hashes requirements/checkov.txt
	touch $@

days: setup ## Random days by seed: make days DAYS=0-999
	$(BIN)/python -m pytest tests/simulation -k "bad_day or busy_days or busy_company" -n 2 --long --days $(DAYS)

long: setup ## The tests that take long
	$(BIN)/python -m pytest -n 2 --dist worksteal --long -m long

crashes: setup ## Functions die at each call that writes, where `make test` takes one of ten
	$(BIN)/python -m pytest tests/simulation -k "crashes or deaths" -n 2 --dist worksteal --long --all-crashes

mutants: setup ## Which days notice what is missing: make mutants DAYS=0-19
	$(BIN)/python -m tests.simulation.search_mutants $(DAYS)

bench: setup ## The figures the README quotes
	$(BIN)/python -m benchmarks $(ARGS)

local-invoke: setup ## Each function with each of its events, in a container
	INVOKE_IMAGE=$(INVOKE_IMAGE) ARCHITECTURE=$(ARCHITECTURE) $(BIN)/python -m pytest tests/sam_local --sam-local

local-worker: setup ## The example of worker/ in a container: make local-worker WORKER_BASE=IMAGE
	$(BIN)/python -m pytest tests/worker/test_container.py --worker-base $(WORKER_BASE)

docs: setup ## Write docs/events.md and docs/permissions.md anew
	$(BIN)/python -m docs.generate

requirements: $(filter .tools/%,$(UV)) ## Compile the pinned requirements anew
	$(UV) pip compile --quiet --upgrade --generate-hashes --no-header --no-annotate --python-version 3.13 pyproject.toml -o layers/dependencies/requirements.txt
	$(UV) pip compile --quiet --upgrade --generate-hashes --no-header --no-annotate --python-version 3.13 -c layers/dependencies/requirements.txt --group dev --group flow-logs pyproject.toml -o requirements/development.txt
	$(UV) pip compile --quiet --upgrade --generate-hashes --no-header --no-annotate --python-version 3.13 -c requirements/development.txt --group flow-logs -o layers/flow_logs/requirements.txt
	$(UV) pip compile --quiet --upgrade --generate-hashes --no-header --no-annotate --python-version 3.13 --group checkov -o requirements/checkov.txt

clean: ## Remove what the other targets made
	rm -rf .venv .venv-checkov .tools .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build
