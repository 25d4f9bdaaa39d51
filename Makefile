# Every habit is a target: `make help` lists them.
# A fresh machine needs python3 (>= 3.11), make and git; whatever else is used is installed into .venv*/ here.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAM := .venv-sam/bin/sam
UV := .venv-uv/bin/uv
UV_VERSION := 0.13.9
ENV ?= default
LOCKS := layers/longshore/requirements.txt layers/longshore/models.txt layers/config/requirements.txt
DEV_LOCKS := requirements/dev.txt layers/longshore/requirements.txt

# The locks are complete, so nothing is resolved: what is not pinned by hash is not installed.
INSTALL := -m pip install -qq --disable-pip-version-check --no-deps --require-hashes
# An own scratch interpreter environment must not see the caller's packages.
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo local test coverage check format bench bench-mirror smoke build deploy lock clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.project ## push images on this machine and watch the workloads follow
	@$(BIN)/longshore demo

local: $(VENV)/.project ## keep the local bundle up until interrupted (PORT=4566)
	@$(BIN)/longshore local $(if $(PORT),--port $(PORT))

test: $(VENV)/.project ## run the tests, one worker for each core (ARGS="-k policy")
	@$(BIN)/pytest -q -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

coverage: $(VENV)/.project ## run the tests and tell which lines and branches none of them reaches
	@$(BIN)/pytest -q -n auto --dist loadfile --cov --cov-report term-missing:skip-covered $(ARGS)

check: $(VENV)/.project ## format, lint, types, import rules, template and configuration
	@$(BIN)/ruff format --check --quiet . || { echo "Formatting differs: run 'make format'." >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/cfn-lint
	@$(BIN)/python -m longshore_config layers/config/longshore.yaml

format: $(VENV)/.project ## put the code into its one format
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format .

bench: $(VENV)/.project ## measure the budgets and fail past them
	@$(BIN)/python -m tests.benchmarks.run $(ARGS)

bench-mirror: $(VENV)/.project ## measure mirror copy against skopeo and fail past the budgets (ARGS="tls --runs 3")
	@$(BIN)/python -m tests.benchmarks.mirror $(ARGS)

smoke: $(VENV)/.project .venv-smoke/.requirements ## deploy the unmodified stack to a local AWS and remove it again
	@$(BIN)/pytest -q -s -n 0 -m smoke tests/smoke $(ARGS)

build: .venv-sam/.requirements ## lint and build the stack, then check the layers
	@echo "Checking and building the stack ..."
	@AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-us-east-1} SAM_CLI_TELEMETRY=0 $(SAM) validate --lint
	@AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-us-east-1} SAM_CLI_TELEMETRY=0 PYTHON="$(abspath .venv-sam/bin/python)" $(SAM) build
	@.venv-sam/bin/python layers/longshore/measure_layer.py .aws-sam/build/*Layer

deploy: build ## build and deploy (ENV=prod takes the settings of [prod] in samconfig.toml)
	@SAM_CLI_TELEMETRY=0 $(SAM) deploy --config-env $(ENV) $(ARGS)

lock: $(UV) ## pin every dependency by hash (UPGRADE=1 moves to the newest versions)
	@echo "Resolving the locks ..."
	@set -e; compile() { group=$$1; lock=$$2; shift 2; \
	  echo "  $$lock"; \
	  $(UV) pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
	    $(if $(UPGRADE),--upgrade) --group pyproject.toml:$$group "$$@" --output-file $$lock >/dev/null; }; \
	compile runtime layers/longshore/requirements.txt; \
	compile models layers/longshore/models.txt; \
	compile config layers/config/requirements.txt --constraint layers/longshore/requirements.txt; \
	compile dev requirements/dev.txt $(addprefix --constraint ,$(LOCKS)); \
	compile sam requirements/sam.txt; \
	compile smoke requirements/smoke.txt

clean: ## remove what builds and tests left behind
	@rm -rf .aws-sam .build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage*
	@find cli functions layers local tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the virtual environments too
	@rm -rf .venv .venv-sam .venv-smoke .venv-uv

# $(call environment,directory): a new virtual environment
define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Longshore needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." >&2; \
	  echo "Name another one: make PYTHON=/path/to/python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(1)
endef

$(VENV)/.requirements: $(DEV_LOCKS)
	@echo "Installing the development environment into $(VENV) (once; a minute or two) ..."
	$(call environment,$(VENV))
	@$(BIN)/python $(INSTALL) $(addprefix -r ,$(DEV_LOCKS))
	@touch $@

$(VENV)/.project: $(VENV)/.requirements pyproject.toml
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv-sam/.requirements .venv-smoke/.requirements: .venv-%/.requirements: requirements/%.txt
	@echo "Installing $(@D) (once; a minute) ..."
	$(call environment,$(@D))
	@$(@D)/bin/python $(INSTALL) -r $<
	@touch $@

$(UV): Makefile
	@echo "Installing uv $(UV_VERSION) into .venv-uv ..."
	$(call environment,.venv-uv)
	@.venv-uv/bin/python -m pip install -qq --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
