# Included by the top Makefile. PYTHON is the development Python; nothing here needs the network.
PYTHON ?= .venv/bin/python
RSCRIPT ?= Rscript

.PHONY: generate document

# describe (Python, no R) -> api.json -> generate.R (R, no Python) -> R/gen-*.R, the bridge's list, man/, NAMESPACE
generate:
	PYTHONPATH=python-core/src $(PYTHON) -m espalier.api.describe > tools/bindgen/api.json.new
	mv tools/bindgen/api.json.new tools/bindgen/api.json
	$(RSCRIPT) --vanilla tools/bindgen/generate.R tools/bindgen/api.json .
	PYTHONPATH=python-core/src $(PYTHON) tools/schema.py
	$(MAKE) document

document:
	$(RSCRIPT) --vanilla -e 'roxygen2::roxygenise()'
