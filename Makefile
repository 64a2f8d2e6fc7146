# Everything starts from a bare machine with Python 3.11+: the first target that needs it makes .venv.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SHELL := /bin/bash

# To be changed on the command line: make demo DEMO_ARGS=--exit-when-done, make test TEST_ARGS='-k dialog -x'
DEMO_ARGS ?= --wait-for-watcher --open
TEST_ARGS ?=
# Tests that run at a time; more than two want more memory than many machines have.
TEST_JOBS ?= 2
BENCH_ARGS ?=

# The tests that pytest, and so make test, leaves out by default, as far as this machine has what they take. A whole
# model or a browser may take minutes on a machine that is busy with something else.
# Chromium's tests and Firefox's skip themselves where theirs is missing.
HAS_CHROMIUM = $(shell command -v chromium chromium-browser google-chrome 2>/dev/null | head -n 1)
HAS_FIREFOX = $(shell command -v firefox-esr firefox 2>/dev/null | head -n 1)
SLOW_ONES = $(if $(HAS_CHROMIUM)$(HAS_FIREFOX),(slow or browser),slow and not browser) and not gpu
SLOW_TIMEOUT_S = 1200
# They wait for much of their time: for media at its own speed, for pages.
SLOW_JOBS ?= $(shell awk '/MemTotal/ {print ($$2 > 15000000) ? 3 : 2}' /proc/meminfo 2>/dev/null || echo $(TEST_JOBS))
PYTEST = $(BIN)/python -m pytest
CODE_BESIDE = scripts demo examples $(wildcard benchmarks)

.PHONY: demo test test-slow test-all lint bench pins clean help

help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY) ## analyze the demo clip live; open the address it prints in a browser
	@$(BIN)/m2fnet serve --source demo/clip.mp4 $(DEMO_ARGS)

test: $(READY) ## run the quick tests, which is most of them: six minutes on two cores
	$(PYTEST) -n $(TEST_JOBS) --dist worksteal $(TEST_ARGS)

test-slow: $(READY) ## run the others: whole models, the program as it is started, a browser
	@$(if $(HAS_CHROMIUM),,echo "no Chromium found: its tests are left out" >&2)
	@$(if $(HAS_FIREFOX),,echo "no Firefox found: its tests are left out" >&2)
	$(PYTEST) -n $(SLOW_JOBS) --dist loadfile --no-loadscope-reorder -m "$(SLOW_ONES)" --timeout $(SLOW_TIMEOUT_S) $(TEST_ARGS)

test-all: test test-slow ## run all tests but those that need a GPU, as continuous integration does

lint: $(READY) ## check style, format, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict $(CODE_BESIDE)
	$(BIN)/lint-imports --no-cache --no-logo

bench: $(READY) ## measure what the product is to reach in time and memory, and print it with its aims
	$(BIN)/python benchmarks/aims.py $(BENCH_ARGS)

pins: $(READY) ## write constraints.txt from what is installed
	@{ sed -n '/^#/p' constraints.txt && $(BIN)/python scripts/pins.py; } > constraints.new && mv constraints.new constraints.txt

clean: ## remove .venv and what tools left behind; trained runs stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt scripts/setup.sh
	@scripts/setup.sh $(VENV)
	@touch $@
