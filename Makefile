# Everything runs in .venv, which is filled from requirements.lock, again whenever that or pyproject.toml has changed.
# Needed for it: Python 3.11 or newer (PYTHON names it), pip and make.

PYTHON ?= python3
# Processes that work at the same time; tests run in half as many again, as they often wait for servers.
JOBS ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
TEST_JOBS ?= $(shell expr $(JOBS) + $(JOBS) / 2)
# How long `make chaos` injects faults; SEED repeats the schedule of an earlier run, which prints it.
SECONDS ?= 120
SEED ?=
# How many events `make chaos-export` carries, and how many seconds ClickHouse is away in it.
EVENTS ?= 100000
OUTAGE ?= 120
# Further arguments of `make chaos`, such as CHAOS_FLAGS=--json.
CHAOS_FLAGS ?=
# How many courses `make soak` simulates.
SEEDS ?= 10000
# How many inputs of each kind `make soak` makes up.
EXAMPLES ?= 2000
# Further arguments of pytest, such as PYTEST_FLAGS='-k pity'.
PYTEST_FLAGS ?=
# Further arguments of `make mutants`, such as MUTANTS_FLAGS='--only dedup-dropped'.
MUTANTS_FLAGS ?=

# What compares the documents with the code, and needs no server.
DOCUMENT_TESTS := tests/docs/test_links.py tests/economy/test_docs.py tests/http/test_errors_page.py tests/fairness/test_document.py tests/fairness/test_document_games.py tests/cli/test_docs.py
# The sources of the pages: what Python sees in them and, where there is a Chromium, what it says; no server either.
PAGE_TESTS := tests/browser/test_sources.py

# The lock: exact releases, hashes, licences, as far as these are known without a network.
LOCK_TESTS := tests/dependencies

BIN := .venv/bin
INSTALLED := .venv/.installed
PIP = $(PYTHON) -m pip --python $(BIN)/python install --disable-pip-version-check --no-user

# With these pip would install to another place, or refuse the project itself, which has no hash.
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_HASHES PIP_CONSTRAINT

.PHONY: help install run test check audit bench dashboards chaos chaos-export soak mutants

help:
	@echo 'make run     start everything: Valkey, Postgres, HTTP workers, sync daemon (Ctrl-C stops it)'
	@echo 'make test    run all tests, on real servers, in $(TEST_JOBS) processes; those of the pages need Chromium, which it installs as root, those of the alert rules promtool, which it fetches'
	@echo 'make check   check format, lint, types, imports, documents, the sources of the pages and the lock of the dependencies'
	@echo 'make audit   ask for known vulnerabilities of what is in the lock, and fail where that cannot be asked'
	@echo 'make bench   run the benchmarks, at REDIS_URL if it is set; figures go to .benchmarks/ and docs/performance.md'
	@echo 'make dashboards  draw docs/operating/dashboards/ anew, from a Prometheus that scrapes a casino in which Redis is away for a while'
	@echo 'make mutants plant one fault at a time in a copy of the code, and say which test catches it'
	@echo 'make chaos   break running parts at random under load for SECONDS=$(SECONDS), then check everything; SEED= repeats'
	@echo 'make chaos-export  carry EVENTS=$(EVENTS) events to Kafka and ClickHouse under kills, and through OUTAGE=$(OUTAGE) s without ClickHouse'
	@echo 'make soak    kill the daemon at every step, simulate SEEDS=$(SEEDS) courses of faults under a virtual clock, and fuzz every interface with EXAMPLES=$(EXAMPLES) inputs of each kind; `python -m tests.simulation --seed N` repeats one'

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "croupier needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0])'
	$(PYTHON) -m venv --without-pip .venv
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

run: install
	@$(BIN)/croupier up

test: install
	@sh tests/browser/install_chromium.sh
	@sh tests/ops/install_promtool.sh
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist worksteal $(PYTEST_FLAGS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.dependencies.audit
	$(BIN)/python -m pytest -q $(DOCUMENT_TESTS) $(PAGE_TESTS) $(LOCK_TESTS)

# In an environment of its own: what it needs is nothing of ours. What cannot be asked about is an error too.
audit: install
	$(BIN)/python -m tests.dependencies.audit --strict

bench: install
	$(BIN)/python -m pytest bench -n 0 -p no:randomly -v -o console_output_style=times --benchmark-autosave $(PYTEST_FLAGS)
	$(BIN)/python -m bench.report $(REPORT_FLAGS)

dashboards: install
	@sh tests/ops/install_promtool.sh prometheus
	$(BIN)/python -m tests.ops.dashboards $(DASHBOARDS_FLAGS)

chaos: install
	$(BIN)/python -m tests.chaos.run --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(CHAOS_FLAGS)

chaos-export: install
	CROUPIER_TEST_EXPORT_EVENTS=$(EVENTS) CROUPIER_TEST_EXPORT_OUTAGE_S=$(OUTAGE) CROUPIER_TEST_EXPORT_STRIDE=1 \
	  $(BIN)/python -m pytest -s -n 0 -p no:randomly \
	  tests/export/test_exactly_once.py tests/export/test_outage.py tests/export/test_sink_killed.py

soak: install
	CROUPIER_TEST_KILL_STRIDE=1 $(BIN)/python -m pytest -q -n $(JOBS) tests/sync/test_kill.py
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --jobs $(JOBS)
	CROUPIER_TEST_FUZZ_EXAMPLES=$(EXAMPLES) $(if $(SEED),CROUPIER_TEST_FUZZ_SEED=$(SEED)) $(BIN)/python -m pytest -q -n $(JOBS) tests/fuzz

mutants: install
	$(BIN)/python -m tests.mutants --jobs $(JOBS) $(MUTANTS_FLAGS)
