# The README's two commands are `make demo` and `make test`; both bring what they need (tools/bootstrap.sh).
BIN := .venv/bin
# The machine's own uv if there is one, else the one that tools/bootstrap.sh brought.
export PATH := $(PATH):$(CURDIR)/.uv/bin
# Test processes share the cores, with one computing thread each. Some shells tell Python to keep no compiled modules;
# hundreds of tests start a process of their own, and each would compile all that it imports.
WORKERS := $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 4 ] && echo 4 || echo $$n)
TEST_ENV := XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=

.PHONY: help demo test test-slow lint format lock lock-check changelog ready

help:
	@echo "make demo        solve a PDE, compare it with finite elements, write pictures to runs/demo"
	@echo "make test        lint, types, health of the plugins, all tests"
	@echo "make test-slow   the tests that take minutes: many kills, every variant, files of gigabytes"
	@echo "make lint        formatting, lint, layers, types"
	@echo "make format      format and mend what ruff can mend"
	@echo "make lock        bring uv.lock up to the pyproject files"
	@echo "make lock-check  whether uv.lock fits the pyproject files"
	@echo "make changelog   the next release's section of the changelog"

demo: ready
	$(BIN)/jno demo --out runs/demo

test: lint
	$(BIN)/jno plugins check --load
	$(TEST_ENV) $(BIN)/pytest -q -n $(WORKERS)

test-slow: ready
	JNO_LARGE_FILES=1 $(TEST_ENV) $(BIN)/pytest -q -n $(WORKERS) -m slow --timeout 1800

lint: ready
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/basedpyright --level error

format: ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ready
	uv lock

lock-check: ready
	uv lock --check

changelog: ready
	$(BIN)/towncrier build --draft

ready:
	@tools/bootstrap.sh
