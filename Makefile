# Everything a developer does, in a virtual environment inside this folder. Nothing is installed globally.
# Needs: GNU make, Python 3.11 or newer. `make` alone says what there is.

.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTEST = .venv/bin/python -m pytest
ARGS =
SCRIPT = complete_journey

# The environment of the caller must not leak into ours.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV UV_PYTHON UV_PROJECT UV_WORKING_DIRECTORY
export UV_PROJECT_ENVIRONMENT := .venv
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test slow check lint types architecture docs bench wheel clean moved

help: ## show this list
	@echo "make <target>, where <target> is one of"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile
	@echo "PYTHON=/path/to/python3 chooses the Python of a new .venv; ARGS='…' is passed on by demo, test, slow and bench."

demo: .venv/ready ## a year of a real shop: import, segments, report, all in ./demo
	@.venv/bin/python -m coterie demo --folder demo $(ARGS)

test: .venv/ready ## the default tests (a few minutes)
	@$(PYTEST) -m "not slow and not browser" -n 2 --dist loadfile $(ARGS)

slow: .venv/ready ## the slow tests and those in a browser
	@$(PYTEST) -m "slow or browser" $(ARGS)

check: lint types architecture test ## what must pass before a commit

lint: .venv/ready ## ruff: style, likely bugs, formatting
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .

types: .venv/ready ## mypy, strict
	@.venv/bin/python -m mypy

architecture: .venv/ready ## which room may import which (.importlinter)
	@.venv/bin/lint-imports --no-logo

docs: .venv/ready ## write the generated reference pages, then run every example and follow every link
	@.venv/bin/python docs/generate.py
	@.venv/bin/python docs/features_page.py
	@$(PYTEST) -m "not browser" tests/docs

bench: .venv/ready ## one script that published figures come from: SCRIPT=first_light, complete_journey, …
	@.venv/bin/python bench/$(SCRIPT).py $(ARGS)

wheel: .venv/ready ## build dist/*.whl
	@rm -rf dist
	@.venv/bin/python -m pip --quiet wheel --no-deps --wheel-dir dist .
	@ls dist

clean: ## delete the environment and everything that was built (./demo too)
	@rm -rf .venv demo dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests docs bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# .venv/ready says in which folder the environment was made: one that was moved or copied is made anew.
ifneq ($(shell cat .venv/ready 2>/dev/null),$(CURDIR))
.venv/ready: moved
endif

.venv/ready: pyproject.toml uv.lock
	@sh .ci/environment
