# Thin: each target is one or two commands that also work alone.
SHELL := /bin/sh
PY := .venv/bin/python
PORT ?= 8000
VITRINE_HOME ?= var
TORCH_BACKEND ?=
export PORT VITRINE_HOME
# uv does not read pip's find-links by itself; a machine that keeps a CPU wheel of torch there means it.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# Bytecode is made once, here: some machines never write it, and then each process compiles torch anew.
UV := .venv/bin/uv pip install --quiet --compile-bytecode --python $(PY) $(if $(TORCH_BACKEND),--torch-backend $(TORCH_BACKEND))

.PHONY: demo demo-check install test coverage audit bench client screenshots lint stop clean

install: .venv/installed

.venv/installed: requirements.txt
	test -x $(PY) || python3 -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(UV) -r requirements.txt
	touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(UV) -r requirements-dev.txt
	touch $@

demo: install
	$(PY) manage.py demo

demo-check: install
	$(PY) manage.py demo --check

test: .venv/installed-dev
	PY=$(PY) sh tests/run.sh

# The tests with their coverage, which takes half as long again
coverage: .venv/installed-dev
	PY=$(PY) sh tests/run.sh --cov --cov-report=term

lint: .venv/installed-dev
	.venv/bin/ruff check . && .venv/bin/ruff format --check .
	.venv/bin/djlint templates --check --lint --quiet
	.venv/bin/lint-imports --no-cache
	$(PY) manage.py api_schema
	$(PY) -m pytest -q tests/test_imports.py tests/test_project.py

# Known faults of the pinned packages, on a machine that reaches their database.
audit: install
	.venv/bin/uv tool run pip-audit@2.10.1 --disable-pip --no-deps -r requirements.txt

bench: .venv/installed-dev
	$(PY) -m bench $(ONLY)

# Clients of the REST API, out of its schema: a Python wheel, an npm package, a Postman collection
client: .venv/installed-dev
	$(PY) -m recommender.api.clients.build client

screenshots: .venv/installed-dev
	$(PY) -m tests.screenshots

stop:
	test ! -x $(PY) || $(PY) manage.py demo --stop

clean: stop
	@printf 'Delete %s with its database and models? [y/N] ' "$(VITRINE_HOME)"; read answer; test "$$answer" = y && rm -rf "$(VITRINE_HOME)"
