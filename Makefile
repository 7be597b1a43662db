# The project's commands. `make demo` and `make test` work on a fresh machine.
# The first interpreter that runs and is one of those weitiao supports.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types bench bench-accuracy nano seeds screenshots clean

demo: $(VENV)/.train  ## From ugly posts to a model that sees through trick questions, and the proof
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-2} $(BIN)/weitiao run examples/traps/recipe.yaml

test: $(VENV)/.dev  ## Run all tests
	OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples

types: $(VENV)/.dev
	$(BIN)/mypy

bench: $(VENV)/.bench  ## Measure training against others (some 25 minutes); the results go to benchmarks/results
	$(BIN)/python -m benchmarks.train
	$(BIN)/python benchmarks/generate.py
	$(BIN)/python benchmarks/llm.py
	$(BIN)/python benchmarks/serve.py --write

bench-accuracy: $(VENV)/.dev  ## Show how right the steps of prepare are, beside the library alone
	PYTHONPATH=tests $(BIN)/python -m benchmarks.accuracy

nano: $(VENV)/.train  ## Make the base model that ships anew (about 40 minutes)
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-2} $(BIN)/python examples/traps/nano.py --out src/weitiao/model/nano

seeds: $(VENV)/.train  ## Repeat the demo with five seeds, and print the table
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-2} $(BIN)/python examples/traps/seeds.py

screenshots: $(VENV)/.dev  ## Take the pictures of the docs anew, after `make demo`; needs Chromium
	$(BIN)/python docs/images/shoot.py examples/traps/recipe.yaml

$(VENV)/.train: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "weitiao needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[train]'
	touch $@

$(VENV)/.dev: $(VENV)/.train
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[all,ray]' axe-playwright-python hypothesis mypy openai pillow playwright pytest pytest-xdist ruff types-PyYAML
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install -q -c constraints.txt -r benchmarks/requirements.txt
	touch $@

clean:
	rm -rf $(VENV) build dist
