# The active virtual environment, or ./venv, made when it is needed.
BIN := $(if $(VIRTUAL_ENV),$(VIRTUAL_ENV)/bin,venv/bin)
PYTHON ?= python3

.DELETE_ON_ERROR:
.PHONY: help test test-slow lint demo figures

help:
	@echo "make demo       train and evaluate a model on a small generated data set"
	@echo "make test       lint and tests"
	@echo "make test-slow  the tests that take longer"
	@echo "make figures    draw figs/model.svg anew"

test: lint
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(BIN)/.dev-installed
	$(BIN)/python -m pytest -m slow

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
