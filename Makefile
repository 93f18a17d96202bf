# The two commands of the README are `make demo` and `make test`; both bring what they need (tools/bootstrap.sh).
BIN := .venv/bin
WORKERS := $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 4 ] && echo 4 || echo $$n)
# One thread per test process: the processes share the cores.
TEST_ENV := XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" OMP_NUM_THREADS=1

.PHONY: demo test lint format ready

demo: ready
	$(BIN)/jno demo --out runs/demo

test: ready lint
	$(BIN)/jno plugins check --load
	$(TEST_ENV) $(BIN)/pytest -q -n $(WORKERS)

lint: ready
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-cache
	$(BIN)/basedpyright --level error

format: ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

ready:
	@tools/bootstrap.sh >/dev/null
