# `make help` prints every target that has an explanation behind two hashes.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.mailyard-ready
PACKAGES := proto $(sort $(wildcard libs/* services/* tools/*))
CODE := $(PACKAGES) tests bench conftest.py
CHART := charts/mailyard
CHART_LINTS := $(CHART)/values/trial.yaml $(CHART)/values/production.yaml $(CHART)/values/production.yaml,$(CHART)/values/large.yaml
.DEFAULT_GOAL := help

# Tests wait more than they compute, so more workers than cores are useful.
WORKERS ?= 4

# Images: commands to build an image and to write it as an archive, its name, and the values of its labels.
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
help:  ## Explain every target
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F '\t' '{ printf "%-15s %s\n", $$1, $$2 }'

.PHONY: setup
setup: $(READY)  ## Create the virtual environment from uv.lock; every other target does this first

$(READY): uv.lock pyproject.toml $(wildcard $(PACKAGES:%=%/pyproject.toml))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is missing or older than 3.11. Install a newer one and name it: make PYTHON=python3.11" >&2; \
	  exit 1; }
	@PYTHONPATH=tools/local/src $(PYTHON) -m mailyard.local.bootstrap
	@touch $@

.PHONY: run
run: $(READY)  ## Run all of Mailyard on this machine, on loopback; CHECK=1: stop after one mail was delivered
	@$(BIN)/python -m mailyard.local run $(if $(CHECK),--check)

.PHONY: test
test: $(READY)  ## Run all tests with a real RabbitMQ and a real mongod; WORKERS=4: parallel tests; ARGS=...: arguments for pytest
	@$(BIN)/python -m mailyard.local.foreign
	rm -rf var/plans
	MAILYARD_QUERY_SHAPES=var/plans $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m tests.plans var/plans)

.PHONY: lint
lint: $(READY)  ## Check style, types, import rules, contracts, tenant scope, file sizes, generated pages
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check --quiet $(CODE)
	$(BIN)/mypy $(PACKAGES:%=%/src)
	$(BIN)/lint-imports --no-logo
	$(BIN)/mailyard-contracts check
	$(BIN)/python -m tests.lint.tenant_scope
	$(BIN)/python -m tests.lint.file_size
	$(BIN)/python -m tests.lint.class_names
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
packages: $(READY)  ## Install each package alone and import all its modules, to find undeclared dependencies
	$(BIN)/python -m tests.lint.packages_alone

.PHONY: format
format: $(READY)  ## Format the code and apply automatic fixes
	$(BIN)/ruff check --fix --quiet $(CODE) || true
	$(BIN)/ruff format $(CODE)

.PHONY: proto
proto: $(READY)  ## Generate code from proto/ and add new fields to the baseline
	$(BIN)/mailyard-contracts generate
	$(BIN)/mailyard-contracts extend

.PHONY: docs
docs: $(READY)  ## Generate the reference pages of docs/ from the code
	$(BIN)/python -m mailyard.local.docs
	$(BIN)/python -m mailyard.cli.reference
	$(BIN)/python -m mailyard.cli.databaseuser.reference

.PHONY: images
images: $(IMAGES:%=image-%)  ## Build the container images; BUILD=, BASE_IMAGE=, REPOSITORY=, TAG=, IMAGES=: docs/images.md

.PHONY: $(IMAGES:%=image-%)
$(IMAGES:%=image-%): image-%:
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(BUILD) -t $(REPOSITORY)/$*:$(TAG) -f $(wildcard services/$*/Dockerfile $(if $(filter toolbox,$*),tools/cli/Dockerfile)) \
	  --build-arg BASE_IMAGE=$(BASE_IMAGE) --build-arg VERSION=$(TAG) --build-arg REVISION=$(REVISION) \
	  --build-arg CREATED=$(CREATED) --build-arg SOURCE=$(SOURCE) .

.PHONY: images-check
images-check: $(READY)  ## Check the images: content, size, reproducible builds, minimal rebuilds; ARGS=--help
	$(BIN)/python -m tests.images --build "$(BUILD)" --save "$(SAVE)" --base-image $(BASE_IMAGE) \
	  --repository $(REPOSITORY) --tag $(TAG) $(ARGS)

.PHONY: dockerfiles
dockerfiles: $(READY)  ## Generate the Dockerfiles from the dependencies of the packages
	$(BIN)/python -m mailyard.local.dockerfiles

.PHONY: chart
chart: $(READY)  ## Generate README.md and values.schema.json of the Helm chart from its values.yaml, and its list of services
	$(BIN)/mailyard-chart

.PHONY: chaos
chaos: $(READY)  ## Send mail while services and servers are killed, cut and stalled, and check that none is lost; ARGS=--help
	$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: hostile
hostile: $(READY)  ## Attack a running Mailyard with hostile input, and measure its response; ARGS=--help
	$(BIN)/python -m tests.hostile $(ARGS)

.PHONY: cluster-test
cluster-test: $(READY)  ## Check the chart on a real cluster, MAILYARD_CLUSTER_KUBECONFIG: docs/cluster-test.md; ARGS=--help
	$(BIN)/python -m tests.cluster $(ARGS)

.PHONY: bench
bench: $(READY)  ## Compare Mailyard with Postfix and Dovecot, which must be installed; ARGS=--help
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-scale
bench-scale: $(READY)  ## Measure every periodic job and frequent query on millions of documents; ARGS=--help
	$(BIN)/python -m bench.scale $(ARGS)

.PHONY: clean
clean:  ## Remove the environment, caches and fetched programs; mail and accounts under var/local stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf var/bench var/plans var/cache var/chaos var/hostile var/debian var/mongod var/packages var/uv
	find $(CODE) -name __pycache__ -prune -exec rm -rf {} +
