.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PIP_VERSION := 26.3
BENCHMARKS := $(filter-out __init__ asleep board_store gate_worlds noticing report_store reporting soak soak_look study,$(basename $(notdir $(wildcard benchmarks/*.py))))

.PHONY: help cycle test endurance check audit bench soak backup faults deploy up costs lock format

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

cycle: .venv/installed  ## one research cycle with the defaults (simulated images, offline board)
	$(BIN)/python -m flows.cycle

test: .venv/installed  ## all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

endurance: .venv/installed  ## the tests that need the machine to themselves (minutes)
	$(BIN)/python -m pytest tests/endurance

check: .venv/installed  ## formatting, lint, types, import contracts, the lock
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pip check

audit: .venv/installed  ## known vulnerabilities of the locked packages, where their database can be reached
	$(BIN)/python scripts/audit

bench: .venv/installed  ## all benchmarks; each prints its ratio to a rival
	@status=0; for file in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$file || status=1; done; exit $$status

soak: .venv/installed  ## the loop for 300 cycles: does anything grow? (half an hour)
	$(BIN)/python -m benchmarks.soak

backup: .venv/installed  ## copy the store, the finished runs and the report while cycles go on
	$(BIN)/python -m flows.backup

faults: .venv/installed  ## every role's language model at every fault, as a table (minutes)
	$(BIN)/python -m tests.fault_table

deploy: .venv/installed  ## work pools and deployments on the server at PREFECT_API_URL
	scripts/deploy

up: .venv/installed  ## server, workers and deployments in this terminal, until Ctrl-C
	scripts/up

costs: .venv/installed  ## measure every network's cost again (after adding one)
	$(BIN)/python -m arc_core.training.profile

format: .venv/installed  ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .venv/installed  ## choose the newest versions that pyproject.toml allows
	scripts/lock

# Constraints rather than requirements: where pip finds a CPU build of torch, the lock's CUDA packages
# stay out; where it finds the CUDA build, they come in at the locked versions.
.venv/installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "ARC needs Python 3.11 or 3.12, $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 cycle" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip==$(PIP_VERSION)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock \
		--build-constraint requirements.lock --editable '.[dev]'
	@touch $@
