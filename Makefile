# `make demo`, `make test` and `make bench` set up everything they need in .venv, from git, make and
# Python 3.11 or newer alone.  PYTHON=... names the interpreter to make .venv from.
# uv installs in seconds what takes pip most of a minute; where it can't, pip does.

.POSIX:
.SUFFIXES:
.PHONY: help demo test bench clean

EXTRAS = server,progress,speed,dev
READY = .venv/.ready

help:
	@echo 'make demo    run the main job on the embedded server'
	@echo 'make test    run the tests on one Python'
	@echo 'make bench   take the figures of README.md, about ten minutes'
	@echo 'make clean   remove .venv and everything built'

demo: $(READY)
	@.venv/bin/python -m objmapper demo

test: $(READY)
	@command -v npm >/dev/null 2>&1 || echo 'npm is missing: the tests marked "npm" are skipped'
	@.venv/bin/pytest -n auto

bench: $(READY)
	@.venv/bin/python -m benchmarks --write README.md

$(READY): setup.cfg setup.py pyproject.toml
	@found=; venvless=; \
	for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    "$$python" -c 'import ensurepip, venv' 2>/dev/null || { venvless=$$python; continue; }; \
	    found=$$python; break; \
	done; \
	if [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1; then \
	    :; \
	elif [ -n "$$found" ]; then \
	    echo "making .venv with $$found"; \
	    "$$found" -m venv --clear .venv || exit 1; \
	elif [ -n "$$venvless" ]; then \
	    echo "$$venvless has no venv or no ensurepip: install them (Debian, Ubuntu: apt install python3-venv)" >&2; \
	    exit 1; \
	else \
	    echo 'Python 3.11 or newer is needed; none of python3.13, python3.12, python3.11, python3 is one' >&2; \
	    exit 1; \
	fi; \
	echo 'installing objmapper[$(EXTRAS)] into .venv'; \
	set -- install --quiet --editable '.[$(EXTRAS)]'; \
	pip='.venv/bin/python -m pip --disable-pip-version-check'; \
	{ $$pip install --quiet 'uv>=0.5' && \
	    .venv/bin/uv pip "$$@" --python .venv/bin/python 2>/dev/null || $$pip "$$@"; \
	} && touch $(READY)

clean:
	rm -rf .venv .tox build dist *.egg-info htmlcov docs/_build .coverage* \
	    .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
