# The project's commands. Each sets up what it needs: `make demo` and `make test` work on a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: setup demo test unit lint types bench example-flights lock clean

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "busline: installing from requirements.lock into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

demo: setup
	@busline demo

test: setup
	@python -m pytest

unit: setup
	@python -m pytest tests/unit

lint: setup
	@ruff check .
	@ruff format --check .

types: setup
	@mypy
	@pyright

bench: setup
	@python -m benchmarks

example-flights: setup
	@python -m examples.flights --whole

lock:
	@uv pip compile pyproject.toml --extra kafka --group dev --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --universal --python-version 3.11 --quiet -o requirements.lock

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
