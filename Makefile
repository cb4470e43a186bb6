# Everything a person needs: `make app` to use it, `make test` to check it, `make benchmark` to
# compare it with the field.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-test
APP_STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-benchmark

.PHONY: app test check audit sample benchmark pictures clean

app: $(APP_STAMP)
	$(BIN)/turnover app

test: $(STAMP) check
	@command -v chromium >/dev/null || echo "No Chromium here, so the browser tests are skipped: apt-get install chromium"
	$(BIN)/pytest

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Known vulnerabilities of what is installed; a package that could not be asked about fails, too.
audit: $(APP_STAMP)
	$(BIN)/pip install -q pip-audit
	$(BIN)/pip-audit --strict --skip-editable --progress-spinner off $(AUDIT)

# One picture of every page for the README.
pictures: $(STAMP)
	$(BIN)/python tests/support/pictures.py

# The table of benchmarks/RESULTS.md; about 20 minutes on two cores, much less on more.
benchmark: $(BENCH_STAMP)
	$(BIN)/python -m benchmarks

sample: $(STAMP)
	$(BIN)/python sample_data/build.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# constraints.txt names the pair of torch and torchvision that the tests run on.
$(APP_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install -q -c constraints.txt -e .
	@touch $@

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install -q -c constraints.txt -e ".[test]"
	@touch $@ $(APP_STAMP)

$(BENCH_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install -q -c constraints.txt -e ".[benchmark]"
	@touch $@ $(APP_STAMP)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis .import_linter_cache
