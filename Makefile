# The front door of this checkout. Every target works on a fresh Debian 12 machine with Python 3.11.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3.11
BIN := .venv/bin
COLLECTION := .cache/collections/ansible_collections/boxlift/portal
# worksteal: whoever has finished takes over tests of the other, so that both end at the same time.
PYTEST := pytest -n 2 --dist worksteal --durations 10
export PATH := $(CURDIR)/$(BIN):$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.cache/collections
export ANSIBLE_CONFIG := $(CURDIR)/tests/lab/ansible.cfg
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help setup engine lint unit check soak sanity molecule package test demo bench bench-copy scorecard docs clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.ready $(COLLECTION) ## Put the pinned tools into .venv and link the checkout as a collection

.venv/.ready: requirements-dev.txt
	tests/lab/host-packages.sh
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

$(COLLECTION):
	mkdir -p $(@D)
	ln -sfn $(CURDIR) $@

engine: setup ## Start the container engine where it does not answer
	tests/lab/engine.sh

lint: setup ## ruff, mypy, yamllint, ansible-lint (profile production), changelog and docs
	tests/lint.sh

unit: setup ## Unit tests, with a real MariaDB where a test needs one
	$(PYTEST)

check: lint ## For the hand, in minutes: lint, and the unit tests without the slow ones
	$(PYTEST) -m 'not slow and not soak'

soak: engine ## For the night: the repetitions that `make test` leaves out (every seed of the kills, 500 faults, 10,000 tables, 300 calls, two web hosts)
	$(PYTEST) -m soak -o faulthandler_timeout=9000
	BOXLIFT_KILLS=66 tests/molecule.sh cutover
	LAB_CALLS=300 tests/molecule.sh telephony
	tests/molecule.sh web_hosts

sanity: setup ## ansible-test sanity on a copy of what git tracks
	tests/sanity.sh

molecule: engine ## Every Molecule scenario in real containers
	tests/molecule.sh

package: setup ## Build the collection, install the tarball into an empty place, show every module's docs
	tests/package.sh

test: setup ## Everything that must hold; the last line says what passed, failed and was skipped
	tests/run.sh

demo: engine ## The whole move in the lab: provision, fetch, restore, configure, health, report
	tests/lab/demo.sh

bench: engine ## Measure against the field's tools, and the call connector under load; writes tests/bench/results.md
	tests/bench/run.sh

bench-copy: engine ## Measure the pre-production copy of a portal in service; writes tests/bench/copy/results.md
	tests/bench/copy.sh

scorecard: engine ## Measure the lab host HOST (a container that provision has built) against dev-sec; writes docs/security.md
	PYTHONPATH=.cache/collections:tests $(BIN)/python -m scorecard.measure $(HOST) docs/security.md

docs: setup ## Generate the reference under docs/reference
	tests/docs.sh

clean: ## Remove the lab's containers and everything under .cache
	tests/lab/clean.sh
