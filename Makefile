# `make help` prints every target that has an explanation behind two hashes.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.mailyard-ready
ROOMS := proto $(sort $(wildcard libs/* services/* tools/*))
CODE := $(ROOMS) tests bench conftest.py
CHART := charts/mailyard
CHART_LINTS := $(CHART)/values/trial.yaml $(CHART)/values/production.yaml $(CHART)/values/production.yaml,$(CHART)/values/large.yaml
.DEFAULT_GOAL := help

# Tests wait more than they compute: more workers than cores.
WORKERS ?= 4

# Images: how to build one and how to write one to the output as an archive, its name, and what its labels say.
BUILD ?= docker build
SAVE ?= docker save
BASE_IMAGE ?= python:3.13-slim-trixie
REPOSITORY ?= mailyard
TAG ?= $(shell sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)
SOURCE ?= unknown
REVISION ?= $(shell git describe --always --dirty --abbrev=40)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
CREATED = $(shell $(PYTHON) -c 'import sys, time; print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(sys.argv[1]))))' $(SOURCE_DATE_EPOCH))
IMAGES ?= $(notdir $(wildcard services/*)) toolbox

.PHONY: help
help:  ## Explains every target
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F '\t' '{ printf "%-15s %s\n", $$1, $$2 }'

.PHONY: setup
setup: $(READY)  ## Makes the virtual environment from uv.lock; every other target does so first

$(READY): uv.lock pyproject.toml $(wildcard $(ROOMS:%=%/pyproject.toml))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is missing or older than 3.11. Install a newer one and name it: make PYTHON=python3.11" >&2; \
	  exit 1; }
	@PYTHONPATH=tools/local/src $(PYTHON) -m mailyard.local.bootstrap
	@touch $@

.PHONY: run
run: $(READY)  ## Runs all of Mailyard on this machine, on loopback; CHECK=1: until one mail has come through
	@$(BIN)/python -m mailyard.local run $(if $(CHECK),--check)

.PHONY: test
test: $(READY)  ## Runs all tests, on a real RabbitMQ and a real mongod; WORKERS=4 at a time; ARGS=... goes to pytest
	@$(BIN)/python -m mailyard.local.foreign
	rm -rf var/plans
	MAILYARD_QUERY_SHAPES=var/plans $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m tests.plans var/plans)

.PHONY: lint
lint: $(READY)  ## Checks style, types, import rules, contracts, tenant scope, file sizes, generated pages
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check --quiet $(CODE)
	$(BIN)/mypy $(ROOMS:%=%/src)
	$(BIN)/lint-imports --no-logo
	$(BIN)/mailyard-contracts check
	$(BIN)/python -m tests.lint.tenant_scope
	$(BIN)/python -m tests.lint.file_size
	$(BIN)/python -m mailyard.local.docs --check
	$(BIN)/python -m mailyard.cli.reference --check
	$(BIN)/python -m mailyard.cli.databaseuser.reference --check
	$(BIN)/mailyard-observability check
	$(BIN)/mailyard-chart --check
	@set -e; for values in $(CHART_LINTS); do \
	  echo "helm lint --strict $(CHART) --values $$values"; \
	  $(BIN)/helm lint --strict --quiet $(CHART) --set hostname=mail.example.org --values $$values 2>$(if $(V),/dev/stderr,/dev/null); \
	done  # V=1 shows which objects of others the values ask for
	$(BIN)/python -m mailyard.local.dockerfiles --check

.PHONY: packages
packages: $(READY)  ## Installs each package alone and imports all of it: finds undeclared dependencies
	$(BIN)/python -m tests.lint.packages_alone

.PHONY: format
format: $(READY)  ## Formats the code and mends what can be mended by itself
	$(BIN)/ruff check --fix --quiet $(CODE) || true
	$(BIN)/ruff format $(CODE)

.PHONY: proto
proto: $(READY)  ## Generates the code of the contracts in proto/ and takes additions into the baseline
	$(BIN)/mailyard-contracts generate
	$(BIN)/mailyard-contracts extend

.PHONY: docs
docs: $(READY)  ## Writes the reference pages of docs/ from the code
	$(BIN)/python -m mailyard.local.docs
	$(BIN)/python -m mailyard.cli.reference
	$(BIN)/python -m mailyard.cli.databaseuser.reference

.PHONY: images
images: $(IMAGES:%=image-%)  ## Builds the container images; BUILD=, BASE_IMAGE=, REPOSITORY=, TAG=, IMAGES=: docs/images.md

.PHONY: $(IMAGES:%=image-%)
$(IMAGES:%=image-%): image-%:
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(BUILD) -t $(REPOSITORY)/$*:$(TAG) -f $(wildcard services/$*/Dockerfile $(if $(filter toolbox,$*),tools/cli/Dockerfile)) \
	  --build-arg BASE_IMAGE=$(BASE_IMAGE) --build-arg VERSION=$(TAG) --build-arg REVISION=$(REVISION) \
	  --build-arg CREATED=$(CREATED) --build-arg SOURCE=$(SOURCE) .

.PHONY: images-check
images-check: $(READY)  ## Checks the images: content, size, two builds the same, a change rebuilds one; ARGS=--help
	$(BIN)/python -m tests.images --build "$(BUILD)" --save "$(SAVE)" --base-image $(BASE_IMAGE) \
	  --repository $(REPOSITORY) --tag $(TAG) $(ARGS)

.PHONY: dockerfiles
dockerfiles: $(READY)  ## Writes the Dockerfiles from what the packages say that they need
	$(BIN)/python -m mailyard.local.dockerfiles

.PHONY: chart
chart: $(READY)  ## Writes README.md and values.schema.json of the Helm chart from its values.yaml, and its list of services
	$(BIN)/mailyard-chart

.PHONY: chaos
chaos: $(READY)  ## Sends mail while everything is killed, cut and stalled, and proves that none is lost; ARGS=--help
	$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: hostile
hostile: $(READY)  ## Attacks a running Mailyard with hostile input of every kind, and watches it; ARGS=--help
	$(BIN)/python -m tests.hostile $(ARGS)

.PHONY: cluster-test
cluster-test: $(READY)  ## Checks the chart on a real cluster, MAILYARD_CLUSTER_KUBECONFIG: docs/cluster-test.md; ARGS=--help
	$(BIN)/python -m tests.cluster $(ARGS)

.PHONY: bench
bench: $(READY)  ## Measures Mailyard beside Postfix and Dovecot, which must be installed; ARGS=--help
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-scale
bench-scale: $(READY)  ## Measures every periodic job and hot query on millions of documents; ARGS=--help
	$(BIN)/python -m bench.scale $(ARGS)

.PHONY: clean
clean:  ## Removes the environment, caches and fetched programs; mail and accounts under var/local stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf var/bench var/plans var/cache var/chaos var/hostile var/debian var/mongod var/packages var/uv
	find $(CODE) -name __pycache__ -prune -exec rm -rf {} +
