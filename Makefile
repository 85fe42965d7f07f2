# make demo: the main job on real voices, core install only.  make quick: most tests, sooner.
# make test: all tests.  make lint: style and types.  make docs: the site.
# make wheel: both distributions, checked.  make fuzz: an hour of damaged files.
PYTHON ?= python3

.PHONY: demo quick test lint docs fuzz wheel clean
.DELETE_ON_ERROR:

demo: .venv/installed
	@.venv/bin/spkid demo

# two processes, a file of tests to one of them, in the order of conftest.py; each computes on one core
PYTEST = OMP_NUM_THREADS=1 .venv-dev/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

quick: .venv-dev/installed
	@$(PYTEST) -m "not slow"

test: .venv-dev/installed
	@$(PYTEST)

lint: .venv-dev/installed
	@.venv-dev/bin/ruff check . && .venv-dev/bin/ruff format --check . && .venv-dev/bin/mypy

docs: .venv-dev/installed
	@NO_MKDOCS_2_WARNING=1 .venv-dev/bin/mkdocs build --strict --quiet

fuzz: .venv-dev/installed
	@.venv-dev/bin/python -m benchmarks.fuzz

wheel: .venv-dev/installed
	@rm -rf build dist *.egg-info && .venv-dev/bin/python -m build --outdir dist . >/dev/null
	@.venv-dev/bin/twine check --strict dist/* && .venv-dev/bin/python .ci/check_distributions.py

.venv/installed: setup.cfg pyproject.toml
	@echo "Installing the core into .venv (about half a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv-dev/installed: setup.cfg pyproject.toml
	@echo "Installing everything into .venv-dev (torch too: some minutes, 5 GB) ..."
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv-dev
	@.venv-dev/bin/pip install --quiet --disable-pip-version-check --editable '.[train,docs,dev]'
	@touch $@

clean:
	rm -rf .venv .venv-dev build dist *.egg-info demo-report.html
