# make demo and make test do all their set-up themselves; only Python 3.11+ and the package index are needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all soak lint clean

demo: $(VENV)/.ready
	$(BIN)/xopt demo --out demo --force

# Two processes, a file to each: most tests keep one core busy. Fixtures of a file are made once. PyTorch gets one
# thread in each, as the threads of two processes on two cores mostly wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --durations=25
SPREAD := --numprocesses=2 --dist=loadfile --no-loadscope-reorder

test: lint
	$(PYTEST) $(SPREAD) -m "not slow and not soak"

test-all: lint
	$(PYTEST) $(SPREAD) -m "not soak"

soak: $(VENV)/.ready
	$(PYTEST) -m soak

lint: $(VENV)/.ready .link/xopt
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The root is the package, so mypy finds it by name only through a link that bears that name.
.link/xopt:
	mkdir -p .link
	ln -sfn .. .link/xopt

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c "import sys; assert sys.version_info >= (3, 11), 'xopt needs Python 3.11 or newer'"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .link build demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
