# Two commands do everything on a fresh machine with Python 3.11+, Node 20+ and make: `make demo` and `make test`.
# Packages come from wherever pip and npm are configured to find them; nothing here names an index.

PYTHON ?= python3
NPM ?= npm
VENV := .venv
BIN := $(VENV)/bin
VENV_STAMP := $(VENV)/.stamp
SUB := $(MAKE) --no-print-directory
PIP := $(BIN)/python -m pip --disable-pip-version-check

# The page is a part of its own: until web/package.json is there, its targets have nothing to do.
WEB := $(wildcard web/package.json)
WEB_STAMP := web/node_modules/.stamp
UI := tocsin/api/ui/index.html
WEB_SOURCES := $(if $(WEB),$(shell find web -name node_modules -prune -o -name test-results -prune \
	-o -name playwright-report -prune -o -name e2e -prune -o -type f -print))
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

# Two workers on two cores; a file's tests stay together, so that what they start is started once.
WORKERS ?= 2
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile
export TOCSIN_SHARED

.DEFAULT_GOAL := help
.PHONY: help setup venv demo dev test test-all test-web test-browser lint lint-web format fuzz bench ui docs wheel lock clean

help: ## what can be asked for
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

setup: venv ui ## .venv/bin/tocsin, with the page built in
venv: $(VENV_STAMP) ## .venv/bin/tocsin alone: what needs no Node

$(VENV_STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: $(PYTHON) is too old, Tocsin needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 2; }
	@echo "Installing Python packages into $(VENV)"
	@rm -f $@
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "make: $(PYTHON) cannot make a virtual environment (on Debian: apt install python3-venv)" >&2; exit 2; }
	@$(PIP) install --quiet --require-hashes --requirement requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Without the page's source: an unpacked sdist, or a checkout of the server alone.
ifeq ($(WEB),)
ui:
	@echo "make: no web/package.json here, so there is no page to build"
lint-web test-web test-browser:
	@:
else
ui: $(UI) ## the page, built into tocsin/api/ui

$(WEB_STAMP): web/package.json $(wildcard web/package-lock.json)
	@command -v $(NPM) >/dev/null || { echo "make: $(NPM) is not installed; the page needs Node 20 or newer" >&2; exit 2; }
	@echo "Installing the page's packages into web/node_modules"
	@$(NPM) --prefix web ci --no-audit --no-fund --loglevel=error
	@touch $@

$(UI): $(WEB_STAMP) $(WEB_SOURCES)
	@$(NPM) --prefix web run --silent build
	@touch $@

lint-web: $(WEB_STAMP)
	$(NPM) --prefix web run --silent lint

test-web: $(WEB_STAMP)
	$(NPM) --prefix web run --silent test

# The page in a real browser, against a real server.
test-browser: venv ui
ifeq ($(CHROMIUM),)
	@echo "make: no chromium on this machine, so the browser's tests are skipped"
	@test "$$CI" != true || { echo "make: in CI nothing may be skipped" >&2; exit 1; }
else
	CHROMIUM=$(CHROMIUM) $(NPM) --prefix web run --silent e2e
endif
endif

demo: setup ## the worked example, alive; HEADLESS=1 checks it and ends, SEED=n repeats one run
	$(BIN)/tocsin demo $(if $(HEADLESS),--headless) $(if $(SEED),--seed $(SEED)) $(if $(DATA),--data $(DATA))

dev: venv $(if $(WEB),$(WEB_STAMP)) ## the server without sign-in on loopback, and the page reloading as it is edited
	@trap 'kill 0' EXIT; $(if $(WEB),TOCSIN_URL=http://127.0.0.1:8686 $(NPM) --prefix web run dev &) $(BIN)/tocsin serve --no-auth --data .data/dev

# The page's tests first and whatever they say pytest after them: its summary is the run's closing line.
define tests
	@failed=; $(SUB) test-web || failed=" [test-web]"; \
	$(SUB) test-browser || failed="$$failed [test-browser]"; \
	$(PYTEST) $(1) || failed="$$failed [pytest]"; \
	test -z "$$failed" || { echo "make: failed:$$failed" >&2; exit 1; }
endef

test: venv ## every test but the slow ones
	$(call tests,-m "not slow")

test-all: venv ## every test, slow suites too
	$(call tests,)

# All of it in one run, whatever fails.
lint: venv ## style, types and layers, of Python and of the page
	@failed=; for check in "$(BIN)/ruff check" "$(BIN)/ruff format --check" $(BIN)/mypy $(BIN)/lint-imports \
		"$(SUB) lint-web"; do \
		echo "\$$ $$check"; $$check || failed="$$failed [$$check]"; \
	done; \
	test -z "$$failed" || { echo "make: failed:$$failed" >&2; exit 1; }

format: venv ## what lint can mend by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

fuzz: venv ## hostile input for long: make fuzz PARSER=kql
	HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -n $(WORKERS) --timeout 0 -m fuzz $(if $(PARSER),-k "$(PARSER)")

bench: venv ## the figures of docs/benchmarks.md: make bench WHAT="ingest EVENTS"
	$(BIN)/tocsin bench $(WHAT)

docs: venv ## the reference pages that come out of the code
	$(BIN)/python docs/generate.py

wheel: venv ui ## dist/*.whl with the page inside: installing it needs no Node
	$(BIN)/python -m hatchling build -t wheel

# uv resolves once for all platforms and Pythons; it reads no pip configuration, so the index is handed over.
lock: ## requirements.lock anew from pyproject.toml (UPGRADE=1 takes the newest of everything)
	@test -x build/lock/bin/uv || { $(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv; }
	@index=$$(build/lock/bin/pip config get global.index-url 2>/dev/null); \
	UV_INDEX_URL=$${UV_INDEX_URL:-$${PIP_INDEX_URL:-$$index}}; test -z "$$UV_INDEX_URL" || export UV_INDEX_URL; \
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
		--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) \
		--extra server --extra dev pyproject.toml --output-file requirements.lock
	@! grep -nE '://|^ *-i|^ *--(extra-)?index' requirements.lock || { echo "make: requirements.lock names an address" >&2; exit 1; }

clean: ## what was built; data stays
	rm -rf $(VENV) build dist web/node_modules tocsin/api/ui
