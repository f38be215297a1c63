# Developer commands. Each creates a virtual environment if it is missing or out of date: .venv, or
# for another interpreter (make test PYTHON=python3.12) one of its own, .venv-3.12.
# `make demo` and `make test` use no shell syntax, so that they can run on Windows.

ifeq ($(OS),Windows_NT)
DEFAULT_PYTHON := python
SCRIPTS := Scripts
else
DEFAULT_PYTHON := python3
SCRIPTS := bin
endif
PYTHON ?= $(DEFAULT_PYTHON)
ifeq ($(PYTHON),$(DEFAULT_PYTHON))
VENV ?= .venv
else
VERSION := $(shell $(PYTHON) -c "import sys; print(*sys.version_info[:2], sep='.')")
VENV ?= .venv-$(VERSION)
endif
BIN := $(VENV)/$(SCRIPTS)
# Python compiles modules when they are first imported; pip would compile all of them
unexport PYTHONDONTWRITEBYTECODE
PIP := -m pip install --quiet --disable-pip-version-check --no-compile
TOUCH := -c "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()"

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format bench numbers docs dist test-dist test-oldest mutants clean

help:  ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-13s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.11 ...')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) -e .
	@$(BIN)/python $(TOUCH) $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python $(PIP) -e ".[test]"
	@$(BIN)/python $(TOUCH) $@

demo: $(VENV)/.installed  ## Draw a map of scikit-learn's digits: demo/digits_umap.png
	$(BIN)/embedding digits demo/digits.npz --weights procedural --image-size 32 --seed 0 --plot
	@echo Wrote demo/digits_umap.png

test: $(VENV)/.installed-test  ## Run the tests, except the long ones
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not long" $(ARGS)

test-all: $(VENV)/.installed-test  ## Run all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(VENV)/.installed-test  ## Check style, formatting, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@mkdir -p build
	$(BIN)/python -c "from sklearn_resnet.plotting.explorer import page as p; print(p.read_script() + p.read_file('js/page_host.js'))" > build/page.js
	$(BIN)/oxlint --no-ignore build/page.js

format: $(VENV)/.installed-test  ## Fix style and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-test  ## Run the benchmarks, write their results and fill the pages (DATA=folder, see benchmarks/README.md)
	$(BIN)/python -m benchmarks $(DATA) $(NAMES)

numbers: $(VENV)/.installed-test  ## Fill benchmarks/RESULTS.md and the numbers on pages from benchmarks/results/
	$(BIN)/python -m benchmarks --render

docs: $(VENV)/.installed-test  ## Build the documentation: docs/_build/index.html
	$(BIN)/python $(PIP) -e ".[docs]"
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build
	@echo "Wrote docs/_build/index.html"

# A new environment, outside the source tree: $(1) is its folder, $(2) the arguments of pip install
define install_elsewhere
	rm -rf $(1) && mkdir -p $(1)/tree && $(PYTHON) -m venv $(1)/venv
	$(1)/venv/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check $(2)
	cp -r README.md docs tests pyproject.toml $(1)/tree
endef

# Run the tests there; $(3) are options of pytest (old packages use deprecated parts of newer ones)
define test_elsewhere
	$(call install_elsewhere,$(1),$(2))
	cd $(1)/tree && ../venv/$(SCRIPTS)/python -m pytest -n 2 --dist loadfile tests $(3) $(ARGS)
endef

dist: $(VENV)/.installed  ## Build the wheel and the sdist in dist/; test the wheel without extras, and its dependencies for Python 3.14
	rm -rf dist
	$(BIN)/python $(PIP) build
	$(BIN)/python -m build --outdir dist . > /dev/null
	$(BIN)/python -c "import os, sys; sys.exit(os.path.getsize(sys.argv[1]) > 20_000_000)" dist/*.whl
	$(call install_elsewhere,build/without-extras,dist/*.whl pytest)
	cd build/without-extras/tree && ../venv/$(SCRIPTS)/python -m pytest -o addopts= \
		tests/without_extras.py tests/test_without_keras.py tests/test_pages_run.py
	$(BIN)/python -m pip install --quiet --dry-run --target build/newest --only-binary :all: \
		--python-version 3.14 "$$(ls dist/*.whl)[explore,int8,parquet,dask,remote,heif,jxl,tiff,dicom,fits]"

test-dist: dist  ## Test the wheel in a new environment, build/dist
	$(call test_elsewhere,build/dist,"$$(ls dist/*.whl)[test]")

test-oldest: dist  ## Test the wheel with the oldest supported dependencies, in build/oldest
	$(call test_elsewhere,build/oldest,"$$(ls dist/*.whl)[test]" -c constraints-oldest.txt,-W ignore::DeprecationWarning)

mutants: $(VENV)/.installed-test  ## Plant faults in a copy of the source, and print those that no test finds
	$(BIN)/python tests/mutants/run.py

clean:  ## Remove the virtual environments and all build outputs
	rm -rf $(VENV) .venv .venv-* docs/_build build dist demo .pytest_cache .ruff_cache .mypy_cache
