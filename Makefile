# Two commands for a fresh machine with Python 3.11 or later, git and make:
#   make demo    simulate a company, train on its past, score, and answer over HTTP
#   make test    lint, types, tests, coverage
# Both run in .venv, which is made on first use from the locked packages, hashes checked.

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help install demo test lint types lock clean

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
RECIPE := churn_90d
PORT := 8000

# These must hold by branch, whatever the rest does: a gap in them is a leak nobody sees.
LEAK_PROOF := */history/asof.py,*/labels/*.py,*/splits.py,*/features/segments.py

UV := $(shell command -v uv)
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$name" && break; done)

help:
	@sed -n '1,4s/^# \{0,1\}//p' Makefile

PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
UV_PIP := uv pip install --quiet --python $(BIN)/python
PROJECT := --no-deps --no-build-isolation --editable .

# The lock is whole, so nothing is resolved anew (--no-deps): an older pip would otherwise ask for
# the newest release of a package that another names with an extra, and find no hash for it.
$(INSTALLED): requirements-dev.txt pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "No Python 3.11 or later is on the PATH; \
	name one with: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Installing the locked packages into $(VENV), once."
ifneq ($(UV),)
	@uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV)
	@$(UV_PIP) --require-hashes --no-deps -r requirements-dev.txt
	@$(UV_PIP) $(PROJECT)
else
	@"$(PYTHON)" -m venv $(VENV)
	@$(PIP) --require-hashes --no-deps -r requirements-dev.txt
	@$(PIP) $(PROJECT)
endif
	@touch $@

install: $(INSTALLED)

data/sample/accounts.parquet: | $(INSTALLED)
	@$(BIN)/churnml simulate data/sample --accounts 2000 --months 30 --seed 7

demo: $(INSTALLED) data/sample/accounts.parquet
	@$(BIN)/churnml check
	$(BIN)/churnml train $(RECIPE)
	$(BIN)/churnml score $(RECIPE) --top 10
ifneq ($(SERVE),no)
	$(BIN)/churnml serve $(RECIPE) --port $(PORT) --trial
endif

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

test: lint types
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term
	$(BIN)/coverage report --include='$(LEAK_PROOF)' --fail-under=100

# What development needs may bound what churnml needs, and not the other way round.
# The same versions for every platform and Python; `make lock UPGRADE=--upgrade` takes newer ones.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header $(UPGRADE)
lock:
	$(COMPILE) pyproject.toml --group dev --output-file requirements-dev.txt
	$(COMPILE) pyproject.toml --constraint requirements-dev.txt --output-file requirements.txt
	$(COMPILE) --group image --constraint requirements-dev.txt --output-file requirements-image.txt

clean:
	rm -rf $(VENV) var dist data/sample
