# `make` lists what there is. Each target sets itself up: Python 3.11 or newer is all it needs.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# Files of tests at once, each process with servers of its own (500 MB): they wait most of the time.
# In the order of the folders, so that the long ones begin first.
TESTS_AT_ONCE ?= 4
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install up demo test lint check bench bench-quick chaos fuzz contracts screenshots secrets vulnerabilities sbom

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 24

install: $(INSTALLED) ## set up .venv from the hash-checked lock file, and nothing else

up: $(INSTALLED) ## run everything on http://localhost:8080 until Ctrl-C
	@$(RUN) -m orderflow_cli up $(ARGS)

demo: $(INSTALLED) ## 5,000 orders through the whole system, and the proof that none went wrong
	@$(RUN) -m orderflow_cli demo $(ARGS)

test: $(INSTALLED) ## every test but the chaos round, on a real PostgreSQL and a real broker
	@$(RUN) -m pytest -m "not chaos" --numprocesses=$(TESTS_AT_ONCE) --dist=loadfile \
	  --no-loadscope-reorder $(ARGS)

check: lint ## in under a minute: style, types, the tests that need no server
	@$(RUN) -m pytest --quiet --numprocesses=2 --dist=loadfile tests/unit tests/repo

lint: $(INSTALLED) ## style and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	@for main in functions/*/main.py; do $(RUN) -m mypy --no-error-summary $$main || exit 1; done

chaos: $(INSTALLED) ## 100 faults at random under load, on both brokers (ARGS="--seed 7 --faults 20")
	@$(RUN) -m tests.chaos $(ARGS)

fuzz: $(INSTALLED) ## ten minutes of calls that the contract allows or forbids (ARGS="--seconds 60 --seed 7")
	@$(RUN) -m tests.fuzz $(ARGS)

bench: $(INSTALLED) ## speed in ten minutes, as ratios measured side by side; ARGS=scale: of 5 million orders
	@$(RUN) -m tests.bench $(ARGS)

bench-quick: $(INSTALLED) ## 90 s: whether the four main ratios are still what README.md says
	@$(RUN) -m tests.bench quick

contracts: $(INSTALLED) ## infra/contracts from the models; refuses what breaks callers (ARGS=--breaking)
	@$(RUN) -m orderflow_cli contracts $(ARGS)

screenshots: $(INSTALLED) ## pictures of the console on a shop at work, for the README
	@$(RUN) -m tests.support.screenshots

secrets: $(INSTALLED) ## random passwords and keys for docker-compose.yml, kept where they are there
	@$(RUN) -m orderflow_cli secrets $(ARGS)

vulnerabilities: $(INSTALLED) ## known vulnerabilities of what is installed; if not checked: error 3
	@$(RUN) .ci/vulnerabilities.py

sbom: $(INSTALLED) ## a CycloneDX list of what is installed, in build/sbom.json
	@mkdir -p build
	@$(RUN) -m cyclonedx_py requirements requirements.lock --output-reproducible \
	  --output-format JSON --output-file build/sbom.json
	@echo wrote build/sbom.json

$(INSTALLED): requirements.lock pyproject.toml infra/knative_local/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(RUN) -m pip install --disable-pip-version-check --no-deps --no-build-isolation \
	  --editable infra/knative_local --editable .
	@touch $@
