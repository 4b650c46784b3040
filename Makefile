# Needs Python 3.11 or newer, make and a package index; everything else is installed into .venv.
# Another interpreter: make PYTHON=python3.12 test      Other demo options: make demo DEMO="--steps 400"

PYTHON  ?= python3
WORKERS ?= 2
DEMO    ?= --out demo-report
VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip
PIP_PIN := $(shell grep -m1 '^pip==' constraints.txt)
PINNED  := -c constraints.txt --build-constraint constraints.txt
PYTEST  := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow test-peers test-gpu check bench ablation bench-strategies bench-gpu notebooks notebooks-short docs clean

help:  ## list these verbs
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-18s %s\n", $$1, $$2}'

# The environment. Each stamp is newer than the files it was made from, so a change of either reinstalls.
# pip comes first: groups need 25.1, and the pip inside Python 3.11's venv is older.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "deconvjax needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --disable-pip-version-check $(PIP_PIN)
	$(PIP) install --quiet $(PINNED) --editable '.[demo]'
	@touch $@

$(VENV)/.group-%: $(VENV)/.ready
	$(PIP) install --quiet $(PINNED) --group $*
	@touch $@

demo: $(VENV)/.ready  ## restore photographs, train a segmentation head; writes demo-report/report.html
	$(BIN)/python -m deconvjax demo $(DEMO)

test: $(VENV)/.group-test  ## the tests and every docstring's example
	$(PYTEST) -q -n $(WORKERS) --dist worksteal -m "not slow and not peers and not gpu"

test-slow: $(VENV)/.group-test  ## the long sweeps
	$(PYTEST) -q -n $(WORKERS) --dist worksteal -m "slow and not peers and not gpu" tests

test-peers: $(VENV)/.group-peers  ## against torch, Keras, Equinox and Haiku, which this installs
	$(PYTEST) -q -m peers tests

test-gpu: $(VENV)/.group-test  ## on an NVIDIA GPU, with jax[cuda13] installed into .venv
	JAX_PLATFORMS=cuda,cpu $(PYTEST) -q -m gpu tests

check: $(VENV)/.group-lint $(VENV)/.group-test  ## lint, types, the rules of the house
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(PYTEST) -q tests/test_house.py

bench: $(VENV)/.group-bench  ## measured against stock JAX, Flax, SciPy and torch
	$(BIN)/python -m benchmarks

ablation: $(VENV)/.group-test  ## does learning the upsampling help? 27 trainings, half an hour; goes on where it stopped
	$(BIN)/python -m benchmarks.ablation

bench-strategies: $(VENV)/.group-test  ## where the engine's choice of lowering is not the fastest
	$(BIN)/python -m benchmarks.strategies

bench-gpu: $(VENV)/.group-bench  ## the same tables on an NVIDIA GPU
	$(BIN)/python -m benchmarks --platform gpu

notebooks: $(VENV)/.group-notebooks $(VENV)/.group-test  ## run every notebook, and keep the outputs
	$(BIN)/python notebooks/run.py --write

notebooks-short: $(VENV)/.group-notebooks $(VENV)/.group-test  ## run every notebook in its short form, change nothing
	$(BIN)/python notebooks/run.py --short

docs: $(VENV)/.group-docs $(VENV)/.group-test  ## the site, into site/: built with warnings as errors, its links checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	$(BIN)/python -m docs.links site

clean:  ## remove what the verbs above made, .venv included
	rm -rf $(VENV) build dist site demo-report .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
