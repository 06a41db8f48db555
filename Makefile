# Two commands do everything: `make run` and `make test`. PYTHON=... names the Python to use.
export PYTHON
# Tests wait more than they work: three at a time keep two processors busy.
PYTEST_ARGS ?= -n 3 --dist worksteal

help:
	@echo "make run     set up, and start the gateway (HOLDFAST_CONFIG=FILE names its configuration)"
	@echo "make test    set up, and run all tests"
	@echo "make lint    set up, and run the checks alone: ruff, mypy, import-linter"
	@echo "make bench   set up, and take the figures of bench/README.md (BENCH=\"overhead start\": only those)"
	@echo "make fix     format, and mend what ruff can mend"
	@echo "make schema  write docs/config.schema.json"
	@echo "make lock    lock the dependencies anew (UPGRADE=1: to the newest versions)"
	@echo "make clean   remove what set-up and tests made"

run:
	@scripts/setup run
	@exec .venv/bin/holdfast run

test: lint
	.venv/bin/pytest $(PYTEST_ARGS)

lint:
	@scripts/setup dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

bench:
	@scripts/setup dev
	.venv/bin/python -m compileall -q src
	.venv/bin/python -m bench $(BENCH)

fix:
	@scripts/setup dev
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

schema:
	@scripts/setup dev
	.venv/bin/python -m holdfast.config > docs/config.schema.json

lock:
	@scripts/lock $(if $(UPGRADE),--upgrade)

clean:
	rm -rf .venv .setup dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests bench -name __pycache__ -type d -exec rm -rf {} +

.PHONY: help run test lint bench fix schema lock clean
