# make setup   everything this project needs, installed where it may be; fast when nothing is missing
# make demo    the main job on real data
# make demo-environments   the same job in an environment, with Docker and without
# make test    the tests of core and package
# make check   everything CI runs
# make pages   renders the vignettes that have changed into inst/doc, for a plain R CMD INSTALL
# make test-torture   the compiled code under gctorture and sanitizers
# make test-reticulate RETICULATE_SOURCE=folder   the tests of R with the reticulate whose source lies there (not in CI)
# make test-docker   the tests with a Docker engine, registries, a CRAN, a conda channel and a Python index of their own
# make test-chaos   processes killed and machines stopped at every moment; ESPALIER_CHAOS_RUNS=2000 for longer
# make site    the help pages, vignettes and documents as a site, in .build/site
# make bench   figures beside peers and physical limits

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BUILD := .build
VENV := .venv
PY := $(VENV)/bin/python
# (in the virtual environment, so that set-up is done again where that was deleted)
SET_UP := $(VENV)/set-up.ok
# The package is installed into a library of its own, never into the user's.
LIB := $(CURDIR)/$(BUILD)/library
# Nothing of tests and demo is left in the user's home, and the private Python environment is made by uv. Each target has
# a queue of its own, for they run side by side.
R_ENV = R_LIBS="$(LIB):$$R_LIBS" R_USER_DATA_DIR="$(CURDIR)/$(BUILD)/data" R_USER_CACHE_DIR="$(CURDIR)/$(BUILD)/cache" \
  ESPALIER_STATE_DIR="$(CURDIR)/$(BUILD)/state/$@" ESPALIER_CACHE_DIR="$(CURDIR)/$(BUILD)/cache" \
  ESPALIER_UV="$(CURDIR)/$(VENV)/bin/uv" ESPALIER_INSTALL=yes

.PHONY: help setup demo demo-environments test test-python test-runs test-core test-r test-torture test-chaos test-reticulate test-docker check lint generated cran site pages bench clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

setup: $(SET_UP)

$(SET_UP): tools/setup.sh python-core/pyproject.toml $(wildcard python-core/native/src/*) tests/bridge/requirements.txt DESCRIPTION
	@bash tools/setup.sh "$(VENV)"
	@touch $@

# Targets side by side; of each other they need nothing.
LANES := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(PY) tools/lanes.py

# What the installed package is made of: any change installs it anew.
SOURCES := $(shell git ls-files DESCRIPTION NAMESPACE R man inst vignettes configure cleanup src tools/stage_core.R python-core/src python-core/native python-core/pyproject.toml 2>/dev/null)

$(BUILD)/install.ok: $(SET_UP) $(SOURCES)
	@mkdir -p "$(LIB)"
	@echo "Installing espalier into $(BUILD)/library"
	@R CMD INSTALL --preclean --no-docs --no-test-load --library="$(LIB)" . > $(BUILD)/install.log 2>&1 || { cat $(BUILD)/install.log; exit 1; }
	@touch $@

demo: $(BUILD)/install.ok
	@$(R_ENV) ESPALIER_DEMO_OUT=demo/out Rscript demo/demo.R

# With the image and the packages of the tests, where there is an engine; else with public ones, without Docker.
demo-environments: $(BUILD)/install.ok
	@echo "This demo uses a Docker engine. Where none runs, it installs docker.io, docker-registry, iptables and mmdebstrap"; \
	echo "from Debian's archive (root), starts an engine of its own, and makes an image of 500 MB. It ends them afterwards."
	@export VENV="$(CURDIR)/$(VENV)" ESPALIER_BUILD_NETWORK=host; \
	{ services=$$(tests/services/up.sh --until $$$$) && eval "$$services"; } || test -z "$$ESPALIER_TESTS_NEED_DOCKER" || exit 1; \
	$(R_ENV) ESPALIER_DEMO_OUT=demo/out-environments Rscript demo/environments.R

test: $(BUILD)/install.ok
	@$(LANES) test-runs test-core test-r

test-python: test-runs test-core

# The core in two halves: what executes runs, and waits for them; and all else
RUNNING := $(addprefix tests/,executors jobs keeper lifecycle provision queue runner)
test-runs: $(SET_UP)
	cd python-core && ../$(PY) ../tools/tests.py $(RUNNING)

test-core: $(SET_UP)
	cd python-core && ../$(PY) ../tools/tests.py $(RUNNING:%=--ignore=%)
	PYTHONPATH=python-core/src:inst/python:tests/bridge $(PY) tools/tests.py -c python-core/pyproject.toml --rootdir=. tests/bridge

# Packages in the place of others that take long to load, see tests/light/.
LIGHT := $(CURDIR)/$(BUILD)/light
R_ENV_LIGHT = $(subst $(LIB):,$(LIB):$(LIGHT):,$(R_ENV))

$(LIGHT)/Matrix/DESCRIPTION: $(wildcard tests/light/Matrix/* tests/light/Matrix/R/*)
	@mkdir -p "$(LIGHT)"
	@R CMD INSTALL --no-docs --library="$(LIGHT)" tests/light/Matrix > $(BUILD)/light.log 2>&1 || { cat $(BUILD)/light.log; exit 1; }

# (some tests have names beyond ASCII in them, which R cannot even read where there is no locale)
test-r: $(BUILD)/install.ok $(LIGHT)/Matrix/DESCRIPTION
	$(R_ENV_LIGHT) LC_ALL=C.UTF-8 ESPALIER_TESTS_NEED_CORE=yes NOT_CRAN=true Rscript tools/test.R

# Built once for each version; its dependencies have to be there. The library is in front of the others.
test-reticulate: $(BUILD)/install.ok
	@test -f "$(RETICULATE_SOURCE)/DESCRIPTION" || { echo "Give the source folder of reticulate: RETICULATE_SOURCE=folder"; exit 2; }
	@version=$$(sed -n 's/^Version: *//p' "$(RETICULATE_SOURCE)/DESCRIPTION"); library="$(CURDIR)/$(BUILD)/reticulate-$$version"; \
	mkdir -p "$$library"; test -d "$$library/reticulate" || { cp -r "$(RETICULATE_SOURCE)" "$$library.source" && \
	R CMD INSTALL --no-docs --no-test-load --library="$$library" "$$library.source" > "$$library.log" 2>&1 || { tail "$$library.log"; exit 1; }; }; \
	rm -rf "$$library.source"; export R_LIBS="$$library"; \
	$(R_ENV) LC_ALL=C.UTF-8 ESPALIER_TESTS_NEED_CORE=yes NOT_CRAN=true Rscript -e 'cat("reticulate", format(packageVersion("reticulate")), "\n")' -e 'source("tools/test.R")'

test-torture: $(SET_UP)
	bash tools/torture.sh

test-chaos: $(SET_UP)
	PYTHONPATH=python-core/src:tests/chaos $(PY) tools/tests.py -c python-core/pyproject.toml --rootdir=. -rP tests/chaos

# Services end with the shell that wanted them. Without an engine the tests say so, or fail if ESPALIER_TESTS_NEED_DOCKER is set.
test-docker: $(BUILD)/install.ok
	@export VENV="$(CURDIR)/$(VENV)"; services=$$(tests/services/up.sh --until $$$$) && eval "$$services"; \
	PYTHONPATH=python-core/src $(PY) tools/tests.py -c python-core/pyproject.toml --rootdir=. tests/docker && \
	$(R_ENV) LC_ALL=C.UTF-8 Rscript tests/docker/run.R

lint: $(SET_UP)
	$(PY) -m ruff check --config python-core/pyproject.toml python-core inst/python bench tests
	$(PY) -m mypy --config-file python-core/pyproject.toml
	bash tools/lint.sh

# Generated files must be what the generator makes of today's core. (Made in a copy: what is installed and tested beside
# this would look changed.)
generated: $(SET_UP)
	@bash tools/copy_tree.sh $(BUILD)/generated
	@$(MAKE) --no-print-directory -C $(BUILD)/generated PYTHON="$(CURDIR)/$(PY)" generate > $(BUILD)/generate.log 2>&1 || { cat $(BUILD)/generate.log; exit 1; }
	@for made in docs/spec.schema.json docs/job.schema.json docs/operations.md python-core/src/espalier/api/api.json R man NAMESPACE; do \
	diff -ru --exclude=__pycache__ $$made $(BUILD)/generated/$$made || exit 1; done

include tools/package.mk

cran: $(BUILD)/install.ok
	bash tools/cran.sh

# The Python that runs the articles' code.
SITE_PYTHON ?= $(CURDIR)/$(PY)

site: $(BUILD)/install.ok
	@$(R_ENV) RETICULATE_PYTHON="$(SITE_PYTHON)" LC_ALL=C.UTF-8 Rscript tools/site.R > $(BUILD)/site.log 2>&1 || { tail -n 40 $(BUILD)/site.log; exit 1; }
	@tail -n 1 $(BUILD)/site.log

# All that CI runs. No lane alone keeps a processor busy, and six keep two: more than half of a lane is waiting.
check: export ESPALIER_SLOW_TESTS := yes
# (R CMD build runs the articles' code)
check: export SITE_PYTHON := /none
check: $(BUILD)/install.ok
	@$(LANES) test-r test-runs "test-core lint generated" "test-docker demo-environments" test-chaos \
	  "cran site test-torture demo"

pages: $(BUILD)/install.ok
	@$(R_ENV) LC_ALL=C.UTF-8 Rscript tools/pages.R

bench: $(BUILD)/install.ok
	@$(R_ENV) bash bench/run.sh

clean:
	rm -rf $(BUILD) $(VENV) inst/python/espalier inst/doc/*.Rmd build src/*.o src/*.so demo/out demo/out-environments bench/out *.tar.gz *.Rcheck
