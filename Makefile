# Every target makes the virtual environment it needs by itself.
PYTHON ?= python3
BIN := .venv/bin
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: run test lint check format bench lock clean

run: .venv/run.done
	$(BIN)/qaservice monolith --sqlite ./data

test: .venv/dev.done
	$(BIN)/pytest $(ARGS)

lint: .venv/dev.done
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

format: .venv/dev.done
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/dev.done
	$(BIN)/python -m bench $(ARGS)

# Needs uv. The locks hold for every supported Python and platform.
lock:
	$(LOCK) pyproject.toml --group build -o requirements/run.txt
	$(LOCK) pyproject.toml --group build --group dev -c requirements/run.txt -o requirements/dev.txt

clean:
	rm -rf .venv

# The locks name all that is needed. pip is not to resolve it again: older ones refuse a lock where a newer release of
# a package that is wanted with an extra is out (pypa/pip#9644). An environment without pip is left over from a venv that
# failed half-way, as Debian's does without python3-venv: it is made anew.
.venv/%.done: requirements/%.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "qaservice needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check --quiet
	touch $@
