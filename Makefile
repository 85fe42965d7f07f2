# make demo: the main job on real voices, core install only.  make test: everything.
PYTHON ?= python3

.PHONY: demo test lint wheel clean
.DELETE_ON_ERROR:

demo: .venv/installed
	@.venv/bin/spkid demo

test: .venv-dev/installed
	@.venv-dev/bin/python -m pytest

lint: .venv-dev/installed
	@.venv-dev/bin/ruff check . && .venv-dev/bin/ruff format --check .

wheel: .venv-dev/installed
	@rm -rf build dist && .venv-dev/bin/python -m build --wheel --outdir dist . >/dev/null

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
	@.venv-dev/bin/pip install --quiet --disable-pip-version-check --editable '.[train,dev]'
	@touch $@

clean:
	rm -rf .venv .venv-dev build dist *.egg-info demo-report.html
