# `make demo` and `make test` set everything up themselves; `make help` lists the rest.
PYTHON ?= python3
ifeq ($(ONEOCC_ENV),active)
RUN := $(PYTHON)
else
RUN := .venv/bin/python
endif
export ONEOCC_ENV
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format typecheck test-slow test-browser test-cuda check-env data clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo '  ONEOCC_ENV=active installs into the active environment instead of .venv; PYTHON=python3.11 picks the interpreter.'

setup:  ## create .venv and install the pinned packages (mmcv is built once)
	@$(PYTHON) tools/misc/setup_env.py

demo: setup  ## make a small world, train, evaluate, draw: results in work_dirs/demo
	@$(RUN) tools/demo.py

test: setup lint  ## lint and all tests that need minutes, not hours
	@$(RUN) -m pytest -q

lint: setup typecheck  ## ruff's rules, its formatting, and types
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

format: setup  ## write every file as ruff formats it, imports sorted
	@$(RUN) -m ruff check --select I --fix .
	@$(RUN) -m ruff format .

typecheck: setup  ## mypy
	@$(RUN) -m mypy

test-slow: setup  ## the longer proofs
	@$(RUN) -m pytest -q -m slow

test-browser: setup  ## pages and the live viewer in headless Chromium (chromium and chromedriver, e.g. of Debian)
	@$(RUN) -m pytest -q -m browser

test-cuda: setup  ## every test that takes a device, on the GPU
	@$(RUN) -m pytest -q --device cuda

check-env: setup  ## what is installed, what is missing, what would break
	@$(RUN) tools/misc/check_env.py

data: setup  ## the two full synthetic sets (hours)
	@$(RUN) data_converters/create_data.py quadsim --out $${ONEOCC_DATA:-data}/quadsim --seed 0
	@$(RUN) data_converters/create_data.py humansim --out $${ONEOCC_DATA:-data}/humansim --seed 0

clean:  ## remove build output (not data, not .venv)
	@rm -rf build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
