# Everything a person needs: `make app` to use it, `make test` to check it, `make benchmark` to
# compare it with the field.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-test
APP_STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-benchmark
WORKERS ?= 2
LOWEST := $(VENV)/lowest
AUDIT_BIN := $(VENV)/audit/bin

.PHONY: app test check lint figures fuzz coverage mutants audit lowest docs dist sample benchmark pictures clean

app: $(APP_STAMP)
	$(BIN)/turnover app

# Everything. Each file's tests stay on one worker, and all of Ray's on the same.
test: lint
	@command -v chromium >/dev/null || echo "No Chromium here, so the browser tests are skipped: apt-get install chromium"
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

# The quick half: no app, browser, cluster or job is started.
check: lint
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not slow"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# How large the code is and where it is crowded, beside our own limits.
figures: $(STAMP)
	$(BIN)/python tests/support/figures.py

# The hostile inputs of tests/hostile, twenty times as many and other ones at each call.
fuzz: $(STAMP)
	TURNOVER_EXAMPLES=20 $(BIN)/pytest tests/hostile

# The quick half with the lowest versions that pyproject.toml admits, in an environment of its own;
# uv picks them. An hour on one core.
lowest: $(STAMP)
	@$(BIN)/pip install -q uv
	$(BIN)/uv venv -q --clear -p $(BIN)/python $(LOWEST)
	$(BIN)/uv pip install -q -p $(LOWEST) --resolution lowest-direct -e ".[test]"
	$(LOWEST)/bin/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow"

# Lines and branches of influence_core that the tests pass through, by room. Adds to what was measured
# before, so it can be done folder by folder (make coverage TESTS=tests/disk); rm .coverage to begin again.
TESTS ?= tests
coverage: $(STAMP)
	$(BIN)/coverage run -m pytest -n $(WORKERS) --dist loadfile $(TESTS)
	@$(BIN)/coverage combine -q --append
	@$(BIN)/coverage json -q -o - | $(BIN)/python tests/support/rooms.py

# Breaks six rooms in small ways, a sample of each, and counts those that no test notices (the table of
# docs/reliability.md). Goes on where it was stopped, and then looks at the survivors alone; two hours
# or more for `make mutants MUTANTS="--sample 200"`. mutmut has a folder of its own.
mutants: $(STAMP)
	@test -d $(VENV)/mutmut || $(BIN)/pip install -q --target $(VENV)/mutmut "mutmut==3.8.*"
	PYTHONPATH=$(CURDIR)/$(VENV)/mutmut OMP_NUM_THREADS=1 $(BIN)/python tests/support/mutants.py $(MUTANTS)

# Known vulnerabilities of what is installed, but for Turnover itself. A package that could not be
# asked about fails, too. pip-audit has an environment of its own, so as not to be what it looks at;
# a local part of a version (+cpu) is another build of the same source, and no service knows it.
audit: $(APP_STAMP)
	@test -x $(AUDIT_BIN)/pip || $(BIN)/python -m venv $(VENV)/audit
	@$(AUDIT_BIN)/pip install -q pip-audit
	@$(BIN)/pip list --exclude-editable --format=freeze | sed 's/+.*//' > $(VENV)/audit/installed.txt
	@$(AUDIT_BIN)/pip-audit --strict --no-deps --disable-pip -r $(VENV)/audit/installed.txt \
		--progress-spinner off $(AUDIT) || { echo "Not clean. A table above has the findings and the \
	versions that mend them; without one the vulnerability service did not answer for every package: \
	see \"Known vulnerabilities\" in docs/deploy.md."; exit 1; }

# The documentation site: open site/index.html, or `python -m http.server -d site` for its search.
docs: $(STAMP)
	$(BIN)/mkdocs build --strict

# The files that pip installs, in dist/; tests/packaging installs and tries the wheel.
dist: $(STAMP)
	$(BIN)/python -m build --no-isolation

# One picture of every page for the README, and the whole loop as a film strip.
pictures: $(STAMP)
	$(BIN)/python tests/support/pictures.py

# The table of benchmarks/RESULTS.md; about 40 minutes on two cores, much less on more.
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
	rm -rf $(VENV) dist site mutants .coverage* .mypy_cache .ruff_cache .hypothesis .import_linter_cache
