# `make demo` and `make test` need nothing but this folder and a Python >= 3.11.
# The environment lies in .venv; it is made once and brought up to date when pyproject.toml or
# constraints.txt change. Another Python than the first one found: make test PYTHON=/path/to/python

PYTHON ?=
PYTHONS := $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python
FITS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
BIN := .venv/bin
READY := .venv/.ready
EXAMPLE := objects-1

.PHONY: demo test lint format docs clean

demo: $(READY)
	@rm -rf demo
	$(BIN)/python -m compressor.corpus.demo demo/corpus
	$(BIN)/python -m jobs.compress --config configs/demo.yaml
	$(BIN)/python -m jobs.inspect input.path=demo/compressed --id $(EXAMPLE) -n 1 --both
	@echo 'data        demo/compressed'
	@echo 'statistics  demo/compressed/_stats/summary.json'
	@echo 'report      demo/compressed/_stats/report.html'

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: $(READY)
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict -f infra/site/mkdocs.yml
	@echo 'site        build/site/index.html'

clean:
	rm -rf .venv demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@$(BIN)/python -c '$(FITS)' 2>/dev/null && exit 0; \
	for python in $(PYTHONS); do \
	  if $$python -c '$(FITS)' 2>/dev/null; then exec $$python -m venv --clear .venv; fi; \
	done; \
	echo 'error: no Python >= 3.11 that can make environments (on Debian and Ubuntu: install' \
	  'python3-venv); make PYTHON=/path/to/python names another' >&2; exit 2
	@echo 'Installing into .venv: a few minutes the first time.'
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,docs,infra]'
	@touch $@
