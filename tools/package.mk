CATALOGUE := python-core/src/espalier/api/api.json
# Included by the top Makefile. PYTHON is the development Python; nothing here needs the network.
PYTHON ?= .venv/bin/python
RSCRIPT ?= Rscript

.PHONY: generate document

# describe (Python, no R) -> api.json -> generate.R (R, no Python) -> R/gen-*.R, the bridge's list, man/, NAMESPACE
generate:
	PYTHONPATH=python-core/src $(PYTHON) -m espalier.api.describe > api.json.new
	mv api.json.new $(CATALOGUE)
	PYTHONPATH=python-core/src $(PYTHON) -m espalier.api.describe --table > docs/operations.md
	$(RSCRIPT) --vanilla tools/bindgen/generate.R $(CATALOGUE) .
	PYTHONPATH=python-core/src $(PYTHON) tools/schema.py
	$(RSCRIPT) --vanilla tools/azuremlsdk.R
	$(MAKE) document

document:
	$(RSCRIPT) --vanilla -e 'roxygen2::roxygenise()'
