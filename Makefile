# Developer commands. Each creates .venv if it is missing or out of date.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench numbers docs dist test-dist test-oldest clean

help:  ## List these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 13

$(BIN)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

demo: $(BIN)/.installed  ## Draw a map of scikit-learn's digits: demo/digits_umap.png
	$(BIN)/embedding digits demo/digits.npz --model resnet --weights procedural --image-size 32 --seed 0 --plot
	@echo "Wrote demo/digits_umap.png"

test: $(BIN)/.installed  ## Run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(BIN)/.installed  ## Check style, formatting, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@mkdir -p build
	$(BIN)/python -c "from sklearn_resnet.plotting.explorer.page import read_script as r; print(r())" > build/page.js
	$(BIN)/oxlint --no-ignore build/page.js

format: $(BIN)/.installed  ## Fix style and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BIN)/.installed  ## Run the benchmarks, write their results and fill the pages (DATA=folder, see benchmarks/README.md)
	$(BIN)/python -m benchmarks $(DATA) $(NAMES)

numbers: $(BIN)/.installed  ## Fill benchmarks/RESULTS.md and the numbers on pages from benchmarks/results/
	$(BIN)/python -m benchmarks --render

docs: $(BIN)/.installed  ## Build the documentation: docs/_build/index.html
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build
	@echo "Wrote docs/_build/index.html"

dist: $(BIN)/.installed  ## Build the wheel and the sdist in dist/; check the wheel's weights and size
	rm -rf dist
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build
	$(BIN)/python -m build --outdir dist . > /dev/null
	$(BIN)/python -m zipfile -l $$(ls dist/*.whl) | grep resnet50v2_procedural.npz
	test $$(stat -c %s dist/*.whl) -le 4000000

# Run the tests in a new environment, outside the source tree: $(1) is its folder, $(2) the arguments of
# pip install, $(3) the options of pytest (old packages use deprecated parts of newer ones)
define test_elsewhere
	rm -rf $(1) && mkdir -p $(1)/tree && $(PYTHON) -m venv $(1)/venv
	$(1)/venv/bin/python -m pip install --quiet --disable-pip-version-check $(2)
	cp -r tests pyproject.toml $(1)/tree
	cd $(1)/tree && ../venv/bin/python -m pytest -n 2 --dist loadfile tests $(3) $(ARGS)
endef

test-dist: dist  ## Test the wheel in a new environment, build/dist
	$(call test_elsewhere,build/dist,"$$(ls dist/*.whl)[test]")

test-oldest: dist  ## Test the wheel with the oldest supported dependencies, in build/oldest
	$(call test_elsewhere,build/oldest,"$$(ls dist/*.whl)[test]" -c constraints-oldest.txt,-W ignore::DeprecationWarning)

clean:  ## Remove .venv and all build outputs
	rm -rf $(VENV) docs/_build build dist demo .pytest_cache .ruff_cache .mypy_cache
