# Every target sets up .venv by itself, once, and again when what it is made of changes.
ENV := .venv
READY := $(ENV)/.ready
PYTHON := $(ENV)/bin/python

# Processes that run tests, each of which may start a compiler or a simulator.
JOBS ?= 2

# The yosys that comes with Amaranth, whatever else is installed: the Verilog is the same everywhere.
export AMARANTH_USE_YOSYS := builtin

.DEFAULT_GOAL := help
.PHONY: help demo test test-all nightly mutation coverage litex docs metrics lint clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(READY) ## learn MNIST on the virtual board, then compare every bit with the golden model
	$(ENV)/bin/popflip demo

# All tests of a file run in one process, which builds its models once.
test: $(READY) ## tests, without the slow ones
	$(PYTHON) -m pytest -n $(JOBS) --dist loadfile -m "not slow"

test-all: $(READY) ## all tests
	$(PYTHON) -m pytest -n $(JOBS) --dist loadfile

nightly: $(READY) ## proofs, attacks and random machines at full length: hours; docs/proof.md
	$(ENV)/bin/popflip prove --all
	$(ENV)/bin/popflip differential
	$(ENV)/bin/popflip attack
	$(ENV)/bin/popflip upsets
	$(ENV)/bin/popflip soak
	$(ENV)/bin/popflip mutate

mutation: $(READY) ## faults in the hardware, which the tests have to see: half an hour
	$(ENV)/bin/popflip mutate

coverage: $(READY) ## lines that the fast tests reach: of Python, of the Verilog; half an hour
	$(PYTHON) -m pytest -n $(JOBS) --dist loadfile -m "not slow" --timeout 1800 --cov
	$(ENV)/bin/popflip coverage

litex: $(READY) ## a RISC-V system with a machine in it, simulated and placed; needs popflip[litex]
	$(PYTHON) -m popflip.scripts.litex_system $(RECORD)

docs: $(READY) ## the documentation, in build/docs; a warning is an error
	$(PYTHON) -m popflip.scripts.documentation.blocks
	$(PYTHON) -m sphinx -b html -W --keep-going -q docs build/docs

metrics: $(READY) ## how the code is arranged: before the rooms were rebuilt, and now
	$(PYTHON) -m popflip.scripts.metrics

lint: $(READY) ## style and types
	$(ENV)/bin/ruff check
	$(ENV)/bin/ruff format --check
	$(ENV)/bin/mypy

clean: ## remove what builds and tests leave behind, and .venv
	rm -rf $(ENV) build dist popflip.egg-info docs/generated .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY): pyproject.toml scripts/setup.sh
	@scripts/setup.sh
