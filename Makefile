# The active virtual environment, or ./venv, made when it is needed.
BIN := $(if $(VIRTUAL_ENV),$(VIRTUAL_ENV)/bin,venv/bin)
PYTHON ?= python3

.DELETE_ON_ERROR:
.PHONY: help test test-share test-nightly coverage lint demo figures

help:
	@echo "make demo          train and evaluate a model on a small generated data set"
	@echo "make test          lint and the tests that take seconds"
	@echo "make test-nightly  the tests that take minutes: kills, hostile and mutated files, torchrun, browsers, more examples of"
	@echo "                   properties, mutations of the code; of long lists of cases another part each day (NIGHTLY_ALL=1: all)"
	@echo "make coverage      make test, with the lines that no test runs"
	@echo "make figures       draw figs/model.svg anew"

# Two processes with one thread each: on two cores, faster than one process with two. The tests start hundreds of processes,
# which should not compile the project anew, whatever the environment says.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

test: lint
	$(PYTEST)

test-share: $(BIN)/.dev-installed
	$(PYTEST) -m share tests/nightly

test-nightly: $(BIN)/.dev-installed
	failed=0; \
	$(PYTEST) tests/nightly || failed=1; \
	HYPOTHESIS_PROFILE=nightly $(PYTEST) $$(grep -rlE '^@given' tests --include='test_*.py' --exclude-dir=nightly) || failed=1; \
	$(BIN)/python tests/helpers/mutate.py $(if $(NIGHTLY_ALL),,--part today/12) || failed=1; \
	exit $$failed

coverage: $(BIN)/.dev-installed
	$(PYTEST) --cov --cov-report term-missing:skip-covered

lint: $(BIN)/.dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

demo: $(BIN)/.installed
	$(BIN)/python misc/make_demo.py
	$(BIN)/python train.py --config configs/demo/train-full-ce.json

figures: $(BIN)/.installed
	$(BIN)/python figs/draw_model.py

$(BIN)/.installed: requirements/pip-requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(BIN)/.dev-installed: requirements/dev-requirements.txt $(wildcard requirements/video*.txt) $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4))' || { echo "Python 3.11.4 or newer is needed"; exit 2; }
	$(PYTHON) -m venv venv
