# make run | test | check | bench | bench-large | docs | clean; PORT chooses where `run` serves.
PORT ?= 8000
export OMP_NUM_THREADS = 1
export OMP_WAIT_POLICY = passive
# Where this is set, as in many images, each of the processes below would compile all it imports.
export PYTHONDONTWRITEBYTECODE =
bin = .venv/bin
python = $(bin)/python

.PHONY: run test check bench bench-large docs clean
.SILENT:

run:
	scripts/setup
	exec $(bin)/coccinelle serve --demo --port $(PORT)

test:
	scripts/setup dev
	$(python) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check:
	scripts/setup dev
	$(bin)/ruff format --check .
	$(bin)/ruff check .
	$(python) -m mypy
	$(python) $(bin)/lint-imports
	$(bin)/squawk src/coccinelle/foundation/migrations/*.sql

bench:
	scripts/setup dev
	$(python) -m benchmarks

bench-large:
	scripts/setup
	$(python) -m benchmarks large

docs:
	scripts/setup
	$(python) -m coccinelle.cli.reference

clean:
	rm -rf dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
