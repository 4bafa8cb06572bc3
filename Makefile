PYTHON ?= python3
VENV ?= .venv
TRAINERS ?= .venv-trainers
PORT ?= 8000

BIN := $(VENV)/bin
# sympy remembers 1000 results of each of its functions, of which a page's formulas need far more.
TEST := OMP_NUM_THREADS=1 SYMPY_CACHE_SIZE=50000 $(BIN)/python -m pytest -n 2 --dist loadfile
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help book test notebooks threads wheel wheel-check compat newcomer trainers serve lint browser record requirements repository clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "lossbook needs Python 3.10 or newer, and '$(PYTHON)' was not found. Install it, or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "lossbook needs Python 3.10 or newer, and '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1). Name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no venv module. Install it, on Debian or Ubuntu with: sudo apt-get install python3-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

$(STAMP): requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

book: $(STAMP) ## Build the book (warnings are errors) into _build/html/index.html
	rm -rf _build
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "The book is at $(CURDIR)/_build/html/index.html"

test: $(STAMP) ## Run the unit tests, the same with run-time type checks, and every notebook
	$(TEST) tests
	$(TEST) tests --typecheck
	$(TEST) --nbval --nbval-current-env book

notebooks: $(STAMP) ## Run every notebook in place, the status page last
	OMP_NUM_THREADS=1 $(BIN)/python .ci/run_notebooks.py

# Elsewhere CI has one thread. This notebook optimises pictures, in which rounding grows.
threads: $(STAMP) ## Run the notebook on inversion with two threads, as on a reader's machine
	OMP_NUM_THREADS=2 $(BIN)/python .ci/run_notebooks.py --check inversion

wheel: $(STAMP) ## Build the package, its source and the chapters' data into dist/
	rm -rf build dist lossbook/lab/build
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m build --no-isolation --outdir dist --wheel lossbook/lab
	rm -rf build lossbook/lab/build lossbook/lab/*.egg-info

wheel-check: wheel ## Install what was built into an empty environment and use it there
	$(BIN)/twine check --strict dist/*
	$(BIN)/python tests/wheel_check.py

$(TRAINERS)/.installed: requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m venv $(TRAINERS)
	$(TRAINERS)/bin/python -m pip install --quiet -c requirements.txt -e ".[trainers]"
	@touch $@

trainers: $(TRAINERS)/.installed ## Run the trainer page's blocks that need Lightning, transformers and others
	OMP_NUM_THREADS=1 $(TRAINERS)/bin/python -m pytest tests/trainers_check.py

compat: wheel ## Test the package on the oldest and the newest torch and Python (long; gigabytes)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python .ci/compat.py

newcomer: wheel ## Walk a newcomer's path and record its times (downloads torch)
	$(BIN)/python .ci/newcomer.py

serve: $(STAMP) ## Serve the built book on http://127.0.0.1:8000 (PORT=...)
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

lint: $(STAMP) ## Check style, formatting, types and workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/zizmor --offline --quiet --persona pedantic .github

browser: $(STAMP) ## Open every page of the built book in Chromium, without network
	$(TEST) -m browser tests/book

record: $(STAMP) ## Repeat the recorded experiments (long; uses a GPU where there is one)
	$(BIN)/python -m lossbook.lab.run.benchmark
	for module in landmarks.experiment landmarks.factors landmarks.controls landmarks.robust \
	    landmarks.large_batches landmarks.sgd landmarks.points landmarks.rates landmarks.paths \
	    landmarks.longer landmarks.near landmarks.watched landmarks.gentler hands.experiment hands.languages \
	    hands.balance hands.labelled hands.directions hands.alone hands.prior hands.baselines hands.optimiser \
	    motion.experiment motion.longer motion.smoothing motion.leaks motion.noisiest motion.same_clip \
	    inversion.experiment inversion.guided inversion.controls inversion.failures inversion.matched \
	    translation.experiment translation.starts translation.back translation.configured \
	    translation.norms translation.cycle; do \
	  $(BIN)/python -m lossbook.lab.$$module --record || exit 1; \
	done

requirements: $(STAMP) ## Pin the newest versions that pyproject.toml allows in requirements.txt
	$(BIN)/python -m pip install --quiet uv
	{ printf '%s\n' '# Pins of the extras "lab", "inversion" and "dev" of pyproject.toml, for Python 3.10 and newer.' \
	    '# Made by: make requirements' \
	    '# CUDA libraries are left out: pip adds the ones that torch asks for on your machine.'; \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-python-downloads --no-header \
	    --no-annotate --extra lab --extra inversion --extra dev pyproject.toml | grep -vE '^(nvidia-|cuda-|triton)'; \
	} > requirements.new
	mv requirements.new requirements.txt

repository: $(STAMP) ## Change the repository's address everywhere: make repository URL=https://github.com/you/fork
	$(BIN)/python .ci/repository.py "$(URL)"

clean: ## Remove what was built (the environment stays: delete .venv for a fresh one)
	rm -rf _build build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
