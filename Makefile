# The two commands of the README, and what developers need.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes

.PHONY: demo test faults test-cluster check docs bench lock

demo: .venv/installed
	$(BIN)/snakemake --cores 2 --configfile config/demo.yaml

# Quick tests come first; those that need the machine for themselves run one after the other.
test: .venv/installed
	$(BIN)/pytest --numprocesses 2 --dist loadfile -m "not machine"
	$(BIN)/pytest -m machine

faults: .venv/installed
	$(BIN)/pytest tests/faults tests/hostile

test-cluster: .venv/installed
	$(BIN)/pytest tests/cluster

check: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	PYTHONPATH=workflow/lib $(BIN)/lint-imports
	$(BIN)/snakemake --lint

docs: .venv/installed
	PYTHONPATH=workflow/lib $(BIN)/python docs/config_reference.py

bench: .venv/installed
	PYTHONPATH=workflow/lib:. $(BIN)/python -m benchmarks

lock: .venv/installed
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
		--generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --quiet --output-file envs/requirements.lock

.venv/installed: envs/requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	@# uv installs in parallel, but knows nothing of pip's settings, such as a mirror: then pip does it.
	sed -n '/^uv==/,/[^\\]$$/p' envs/requirements.lock > .venv/uv.txt
	$(PIP) --requirement .venv/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes --compile-bytecode \
		--requirement envs/requirements.lock || $(PIP) --requirement envs/requirements.lock
	@touch $@
