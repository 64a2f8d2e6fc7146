# Everything starts from a bare machine with Python 3.11+: the first target that needs it makes .venv.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SHELL := /bin/bash

# To be changed on the command line: make demo DEMO_ARGS=--exit-when-done, make test TEST_ARGS='-k dialog -x'
DEMO_ARGS ?= --wait-for-watcher --open
TEST_ARGS ?=
# Files of tests that run at a time. The browser's mostly wait; more than two want more memory than many machines have.
TEST_JOBS ?= 2
BENCH_ARGS ?=

# What pytest leaves out by default is run here too, as far as this machine has what it takes.
HAS_BROWSER = $(shell command -v chromium chromium-browser google-chrome 2>/dev/null | head -n 1)
MARKED = $(if $(HAS_BROWSER),not gpu,not gpu and not browser)
CODE_BESIDE = scripts demo examples $(wildcard benchmarks)

.PHONY: demo test lint bench pins clean help

help: ## say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 8

demo: $(READY) ## analyze the demo clip live; open the address it prints in a browser
	@$(BIN)/m2fnet serve --source demo/clip.mp4 $(DEMO_ARGS)

test: $(READY) ## run the tests
	@$(if $(HAS_BROWSER),,echo "no Chromium found: the browser tests are left out" >&2)
	$(BIN)/python -m pytest -m "$(MARKED)" -n $(TEST_JOBS) --dist loadfile $(TEST_ARGS)

lint: $(READY) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict $(CODE_BESIDE)

bench: $(READY) ## play the demo clip through the server in real time and print what it took; then time the networks
	$(BIN)/python benchmarks/live.py $(BENCH_ARGS)
	$(BIN)/python benchmarks/engines.py

pins: $(READY) ## write constraints.txt from what is installed
	@{ sed -n '/^#/p' constraints.txt && $(BIN)/python scripts/pins.py; } > constraints.new && mv constraints.new constraints.txt

clean: ## remove .venv and what tools left behind; trained runs stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt scripts/setup.sh
	@scripts/setup.sh $(VENV)
	@touch $@
