# The commands that people use. Each makes .venv if it is absent or out of date.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench numbers docs dist test-dist test-oldest clean

help:  ## Show these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

$(BIN)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

demo: $(BIN)/.installed  ## Embed scikit-learn's digits and draw their map: demo/digits_umap.png
	$(BIN)/embedding digits demo/digits.npz --model resnet --weights procedural --image-size 32 --seed 0 --plot
	@echo "The picture is demo/digits_umap.png"

test: $(BIN)/.installed  ## Run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(BIN)/.installed  ## Check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(BIN)/.installed  ## Put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BIN)/.installed  ## Run the benchmarks, write their results and fill the pages (DATA=folder, see benchmarks/README.md)
	$(BIN)/python -m benchmarks $(DATA) $(NAMES)

numbers: $(BIN)/.installed  ## Fill benchmarks/RESULTS.md and the numbers on pages from benchmarks/results/
	$(BIN)/python -m benchmarks --render

docs: $(BIN)/.installed  ## Build the documentation: docs/_build/index.html
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build
	@echo "The documentation is docs/_build/index.html"

dist: $(BIN)/.installed  ## Build dist/*.whl and dist/*.tar.gz, and check that the wheel holds the weights and stays below 4 MB
	rm -rf dist
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build
	$(BIN)/python -m build --outdir dist . > /dev/null
	$(BIN)/python -m zipfile -l $$(ls dist/*.whl) | grep resnet50v2_procedural.npz
	test $$(stat -c %s dist/*.whl) -le 4000000

# Tests in an environment of their own, from outside of the tree: $(1) is its folder, $(2) what pip installs,
# $(3) options of pytest (old packages warn of what newer ones below them will remove)
define test_elsewhere
	rm -rf $(1) && mkdir -p $(1)/tree && $(PYTHON) -m venv $(1)/venv
	$(1)/venv/bin/python -m pip install --quiet --disable-pip-version-check $(2)
	cp -r tests pyproject.toml $(1)/tree
	cd $(1)/tree && ../venv/bin/python -m pytest -n 2 --dist loadfile tests $(3) $(ARGS)
endef

test-dist: dist  ## Test the wheel in build/dist, an environment of its own
	$(call test_elsewhere,build/dist,"$$(ls dist/*.whl)[test]")

test-oldest: dist  ## Test the wheel with the oldest versions of what it needs, in build/oldest
	$(call test_elsewhere,build/oldest,"$$(ls dist/*.whl)[test]" -c constraints-oldest.txt,-W ignore::DeprecationWarning)

clean:  ## Remove .venv and what was built
	rm -rf $(VENV) docs/_build build dist demo .pytest_cache .ruff_cache .mypy_cache
