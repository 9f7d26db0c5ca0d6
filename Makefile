# The project's commands. The first one that needs it makes .venv from pyproject.toml and constraints.txt.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
WORKERS ?= 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench coverage setup

help:
	@echo "make demo       the flagship scenarios on 20 virtual boards, and a page to look at"
	@echo "make test       the tests and scenarios, on $(WORKERS) workers (WORKERS=n)"
	@echo "make lint       ruff, mypy --strict, import contract"
	@echo "make bench      figures against their peers, in reports/bench.json"
	@echo "make coverage   line coverage of harness/"

demo: $(READY)
	@$(BIN)/pytest scenarios/test_demo.py --fleet=20 --live -q -o console_output_style=classic

test: $(READY)
	@$(BIN)/pytest -n $(WORKERS) $(PYTEST_ARGS)

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(READY)
	@$(BIN)/python -m benchmarks

coverage: $(READY)
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(PYTEST_ARGS)
	@$(BIN)/coverage report

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "no virtual environment could be made: install Python's venv module (Debian: apt install python3-venv)" >&2; rm -rf $(VENV); exit 2; }
	@echo "setting up $(VENV) (once; a minute or so)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --upgrade pip
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e . --group dev
	@touch $@
