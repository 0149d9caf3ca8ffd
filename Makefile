.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12) and "Python 3.12 or newer is needed, found " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q abm # so that no start has to
	$(BIN)/python -c 'from abm import MarketModel, load_scenario; MarketModel(load_scenario("baseline")).run_for(3)' # compiles the loops
	@touch $@

setup: $(VENV)/.installed ## Make .venv from the lock file

run: setup ## Run the main scenario, 50 seeds, with figures
	$(BIN)/abm run sanaenomics --seeds 50

browser: setup ## Open the page on http://127.0.0.1:8765
	$(BIN)/abm browser

publish: setup ## Run the main scenario anew, write its numbers and figures to results/published and README.md
	$(BIN)/python experiments/publish.py

validate: setup ## Score the model anew, write its scorecard to results/published and README.md
	$(BIN)/python -m experiments.score

claims: setup ## Put the claims on trial, at most 200 seeds: results/claims/report.html; goes on where it was stopped
	$(BIN)/abm claims

publish-claims: setup ## The same, and write verdicts and report to results/published and README.md
	$(BIN)/python -m experiments.publish_claims

test: setup ## The test suite
	$(BIN)/python -m pytest -m "not slow"

test-full: setup ## The test suite with the longer checks
	$(BIN)/python -m pytest

mutants: setup ## Put small faults into ledger, auction and margins, and see whether the tests notice (a quarter of an hour on two cores; goes on where it was broken off)
	$(BIN)/python -m tests.mutants --jobs 2

browser-deps: ## Install Chromium for the tests of the page, where it is missing (Debian or Ubuntu, as root)
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver fonts-noto-cjk; } >/dev/null || \
	  echo "Chromium could not be installed; the tests of the page in a browser will be skipped"

lint: setup ## Lint, types and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## The benchmark: a table with targets, where a day goes; results/bench/history.json keeps it
	$(BIN)/abm bench

benchmarks: setup ## Time single parts of a day, for whoever makes one of them faster
	$(BIN)/python -m pytest benchmarks -o addopts= --benchmark-autosave --benchmark-columns=median,iqr,rounds

publish-bench: bench ## The same on an idle machine, and write table and figure to results/published and README.md
	$(BIN)/python -m experiments.publish_bench

lock: ## Write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --extra dev --generate-hashes --no-header --no-emit-index-url --python-version 3.12 pyproject.toml -o requirements.lock

clean: ## Remove the environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup run browser publish validate claims publish-claims test test-full mutants browser-deps lint bench benchmarks publish-bench lock clean
