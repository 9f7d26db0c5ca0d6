# The project's commands. The first one that needs .venv creates it from pyproject.toml and constraints.txt.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
# More than twice as many as processors: half of them begin with tests that wait, for a deadline or for another process.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 6 ? (5 * n + 1) / 2 : 16)))
ROUNDS  ?= 10

# What is compiled once stays compiled: the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: oci manifests deploy-tools deploy-check kube-diff page page-check dashboard dashboard-check images help demo test test-all test-deep test-boards test-sim matrix apiserver test-apiserver test-k3d rounds test-watches robot keywords renode lint bench soak clean-histories mutants sequences docs coverage setup boards firmware firmware-check apps

help:
	@echo "make demo       the main scenarios on 20 virtual and 3 emulated boards, with a report"
	@echo "make test       the tests and scenarios without QEMU, Chromium, Sphinx, NATS, an old kubectl and a real API server, on $(WORKERS) workers (WORKERS=n)"
	@echo "make test-all   all tests and scenarios"
	@echo "make test-deep  the tests of properties, with four times as many examples"
	@echo "make test-boards  all scenarios on real firmware, native and in QEMU"
	@echo "make test-sim   all scenarios and Robot suites in virtual time"
	@echo "make matrix     each fault at each arrow of the sequences, in virtual time (DEPTH=2: and pairs of faults; BOARDS=sim-native)"
	@echo "make apiserver  build a real kube-apiserver with etcd for --cluster=apiserver (needs Go)"
	@echo "make test-apiserver  all scenarios on that API server"
	@echo "make test-k3d   all scenarios on a cluster of k3d, if Docker and k3d are there"
	@echo "make manifests  the definitions of the resource types, into deploy/"
	@echo "make deploy-tools  kustomize, helm and others for deploy/ (needs Go)"
	@echo "make deploy-check  manifests and chart on that API server, and every program in its own role"
	@echo "make oci        the OCI images, in .cache/oci, without a registry (IMAGES=platform; needs mmdebstrap and buildah)"
	@echo "make rounds     all scenarios on the three kinds of API server and Robot on the real ones, ten times (ROUNDS=n)"
	@echo "make kube-diff  how the embedded API server differs from that one: docs/reference/kubernetes-differences.md"
	@echo "make test-watches  all scenarios with early, late and batched watch events"
	@echo "make renode     tests and scenarios of boards in Renode, if it is installed"
	@echo "make robot      the Robot Framework suites, on $(WORKERS) workers (ROBOT_ARGS=\"--variable BOARDS:qemu\" for other boards)"
	@echo "make keywords   the reference of the Robot keywords, docs/robot/keywords.html"
	@echo "make boards     what scenarios need: images, the library of native boards, sample applications"
	@echo "make firmware   the images of all boards, with their sizes (BOARDS=\"mps2-an385 ...\" for some)"
	@echo "make firmware-check  host tests, clippy and rustfmt of the firmware"
	@echo "make apps       the sample applications as WebAssembly modules"
	@echo "make page       the report page from harness/reporting/frontend (needs Node 20.19 or newer)"
	@echo "make page-check  compare the committed report page with its sources"
	@echo "make dashboard  the dashboard from dashboard/ (needs Node 20.19 or newer)"
	@echo "make dashboard-check  compare the committed dashboard with its sources"
	@echo "make images     the pictures in docs/images (needs Chromium)"
	@echo "make lint       ruff, robocop, mypy --strict, import contract, plain English"
	@echo "make setup      .venv, which the other commands create by themselves"
	@echo "make docs       the documentation, in docs/build"
	@echo "make bench      benchmarks against other implementations, in reports/bench.json"
	@echo "make soak       ten minutes of a platform with 200 boards; fails if memory grows by more than 1 MiB an hour"
	@echo "make clean-histories  random runs of a sound platform, and all scenarios in virtual time by other seeds; fails if a judge convicts anybody (MINUTES=n)"
	@echo "make sequences  the scenarios; fails if an arrow of a sequence diagram was not exercised"
	@echo "make mutants    defects in a copy of the sources, one by one, and the scenario that catches each (MUTANTS_ARGS=\"-j 2 --area wire\")"
	@echo "make coverage   line coverage of harness/"

demo: $(READY) boards
	@$(BIN)/pytest scenarios/test_demo.py --fleet=20 --live -q -o console_output_style=classic

# A worker that has no test left takes half of those that wait for another.
test: $(READY) boards
	@$(BIN)/pytest -m "not system" -n $(WORKERS) --dist=worksteal $(PYTEST_ARGS)

test-all: $(READY) boards
	@$(BIN)/pytest -n $(WORKERS) --dist=worksteal $(PYTEST_ARGS)

test-deep: $(READY)
	@$(BIN)/pytest tests -m hypothesis --hypothesis-profile=deep -n $(WORKERS) --dist=worksteal $(PYTEST_ARGS)

# Renode must be installed: RENODE names it, or it is on the PATH; see docs/renode.md.
renode: $(READY) boards
	@why=$$($(BIN)/python -c 'from harness.boards.renode import RenodeTier; print(RenodeTier.unavailable() or "")') && \
	if [ -n "$$why" ]; then echo "skipped: boards in Renode: $$why" >&2; else \
	$(BIN)/pytest tests/boards tests/firmware tests/testing -k renode -n $(WORKERS) $(PYTEST_ARGS) && \
	$(BIN)/pytest scenarios --boards=renode -n $(WORKERS) $(PYTEST_ARGS) && \
	$(BIN)/python -m harness.robot_library --outputdir reports/robot-renode --include renode robot; fi

test-sim: $(READY) boards
	@$(BIN)/pytest scenarios --boards=sim -n $(WORKERS) $(PYTEST_ARGS)
	@$(BIN)/python -m harness.robot_library --processes $(WORKERS) --outputdir reports/robot-sim --variable BOARDS:sim robot
	@if [ -e firmware/images/wasmbed-native.so ]; then $(BIN)/pytest scenarios --boards=sim-native -n $(WORKERS) $(PYTEST_ARGS); \
	else echo "skipped: scenarios on simulated firmware: its library was not built" >&2; fi

# A run that was stopped goes on where it was: reports/matrix has the results and the table.
matrix: $(READY)
	@WASMBED_MATRIX=all WASMBED_MATRIX_DEPTH=$(or $(DEPTH),1) WASMBED_MATRIX_BOARDS=$(or $(BOARDS),sim) \
	$(BIN)/pytest tests/faults/test_matrix.py -q -p no:logging -n $(WORKERS) --dist=worksteal $(PYTEST_ARGS)

test-boards: $(READY) boards
	@if [ -e firmware/images/wasmbed-native.so ]; then $(BIN)/pytest scenarios --boards=native -n $(WORKERS) $(PYTEST_ARGS); \
	else echo "skipped: scenarios on native boards: their library was not built" >&2; fi
	@if [ -e firmware/images/mps2-an385.elf ]; then $(BIN)/pytest scenarios --boards=qemu -n $(WORKERS) $(PYTEST_ARGS); \
	else echo "skipped: scenarios on real firmware: there is no image" >&2; fi

# The program is built once, into a folder of .cache that is named after its sources.
apiserver: $(READY)
	@$(BIN)/python -m harness.clusters.apiserver

test-apiserver: $(READY) boards
	@why=$$($(BIN)/python -c 'from harness.clusters.apiserver import ApiserverCluster as kind; print(kind.unavailable() or "")') && \
	if [ -n "$$why" ]; then echo "skipped: scenarios on a real API server: $$why" >&2; else \
	$(BIN)/pytest scenarios --cluster=apiserver -n $(WORKERS) $(PYTEST_ARGS); fi

test-k3d: $(READY) boards
	@why=$$($(BIN)/python -c 'from harness.clusters.k3d import K3dCluster as kind; print(kind.unavailable() or "")') && \
	if [ -n "$$why" ]; then echo "skipped: scenarios on k3d: $$why" >&2; else \
	$(BIN)/pytest tests/clusters/k3d scenarios --cluster=k3d -n $(WORKERS) $(PYTEST_ARGS); fi

# The chart and the base have copies, since neither kustomize nor helm reads a file outside of its folder.
manifests:
	@cp harness/wasmbed/resources/crds/*.yaml deploy/kustomize/base/crds/
	@cp harness/wasmbed/resources/crds/*.yaml deploy/chart/crds/

deploy-tools:
	@$(PYTHON) deploy/tools.py

# SIGNING_KEY names a private key, PEM, that signs the bills of materials.
oci: $(READY)
	@$(BIN)/python deploy/images.py $(IMAGES)

deploy-check: $(READY) apiserver deploy-tools
	@$(BIN)/pytest tests/deploy tests/shards -q

rounds: $(READY) boards
	@$(BIN)/python .ci/rounds $(ROUNDS) $(WORKERS) $(PYTEST_ARGS)

# Names of themes print their differences instead: make kube-diff THEMES="scale rules".
kube-diff: $(READY)
	@$(BIN)/python -m tests.clusters.differential $(THEMES)

test-watches: $(READY) boards
	@for when in early late batched; do $(BIN)/pytest scenarios --watches=$$when -n $(WORKERS) $(PYTEST_ARGS) || exit; done

robot: $(READY)
	@$(BIN)/python -m harness.robot_library --processes $(WORKERS) --outputdir reports/robot $(ROBOT_ARGS) robot

keywords: $(READY)
	@$(BIN)/python -m harness.robot_library.reference docs/robot/keywords.html

# The images and the sample applications, as far as the tools are installed; the others are skipped with a message.
boards: $(READY)
	@.ci/system-packages
	@$(PYTHON) firmware/build.py || echo "skipped: some or all emulated boards; see above" >&2
	@$(BIN)/python firmware/apps.py >/dev/null || echo "skipped: the sample applications in Rust; see above" >&2

# All images are built twice and must be equal. With BOARDS, the named ones are built once, for work on a board.
firmware:
	@.ci/system-packages
	@$(PYTHON) firmware/build.py $(or $(BOARDS),--twice)

apps: $(READY)
	@.ci/system-packages
	@$(BIN)/python firmware/apps.py

# The firmware's own tests run on the host, with the host's toolchain.
firmware-check:
	@$(PYTHON) firmware/check.py

# The built report page is committed, so that a clone or a wheel needs no Node.
page:
	@command -v npm >/dev/null || { echo "npm is not installed: install Node 20.19 or newer" >&2; exit 3; }
	@cd harness/reporting/frontend && npm ci --silent && npm run --silent build -- --logLevel warn

# Pictures of a real run's report in docs/images; needs Chromium.
images: $(READY)
	@$(BIN)/python docs/screenshots.py

# Compares the committed report page with its sources, byte for byte; skipped with a message without Node.
page-check:
	@if command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; then \
	cp harness/reporting/page/page.html .page-committed.html && $(MAKE) --no-print-directory page && \
	if cmp harness/reporting/page/page.html .page-committed.html; then rm .page-committed.html; \
	else rm .page-committed.html; echo "harness/reporting/page differs from its sources: commit the result of make page" >&2; exit 1; fi; \
	else echo "skipped: the check of the report page: npm is not installed, or Node is older than 20.19" >&2; fi

# The built dashboard is committed for the same reason.
dashboard:
	@command -v npm >/dev/null || { echo "npm is not installed: install Node 20.19 or newer" >&2; exit 3; }
	@cd dashboard && npm ci --silent && npm run --silent build -- --logLevel warn

# Compares the committed dashboard with its sources, byte for byte; skipped with a message without Node.
dashboard-check:
	@if command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; then \
	$(MAKE) --no-print-directory dashboard && \
	if test -z "$$(git status --porcelain harness/wasmbed/api/dashboard_page)"; then :; \
	else echo "harness/wasmbed/api/dashboard_page differs from its sources: commit the result of make dashboard" >&2; exit 1; fi; \
	else echo "skipped: the check of the dashboard: npm is not installed, or Node is older than 20.19" >&2; fi

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/robocop check robot
	@$(BIN)/robocop format --check robot
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(PYTHON) .ci/plain-english
	@if command -v gofmt >/dev/null; then test -z "$$(gofmt -l apiserver)" || { echo "run: gofmt -w apiserver" >&2; exit 1; }; \
	else echo "skipped: gofmt: Go is not installed" >&2; fi

docs: $(READY)
	@$(BIN)/sphinx-build -W --keep-going -q docs docs/build
	@echo "documentation: docs/build/index.html"

bench: $(READY)
	@$(BIN)/python -m benchmarks

soak: $(READY)
	@$(BIN)/python -m benchmarks soak

# A run that was stopped goes on with the next seed: reports/clean-histories has a line for each.
clean-histories: $(READY)
	@$(BIN)/python -m benchmarks.clean --minutes $(or $(MINUTES),10)
	@$(BIN)/python -m benchmarks.clean.suites --minutes $(or $(MINUTES),10)

sequences: $(READY)
	@$(BIN)/pytest scenarios -q -n $(WORKERS) && $(BIN)/wasmbed sequences --check

# A run that was stopped goes on where it was: reports/mutants has the results and the table.
mutants: $(READY)
	@$(BIN)/python -m mutants $(MUTANTS_ARGS)

coverage: $(READY)
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n $(WORKERS) $(PYTEST_ARGS)
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report --fail-under=90

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), but Python 3.11 or newer is required: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "cannot create a virtual environment: install Python's venv module (Debian: apt install python3-venv)" >&2; rm -rf $(VENV); exit 2; }
	@echo "setting up $(VENV) (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --upgrade pip
	@$(BIN)/python -m pip install --quiet --quiet -c constraints.txt -e . --group dev
	@$(BIN)/python -m pip install --quiet --quiet -c constraints.txt --no-deps --upgrade --target $(VENV)/async-plugins --group async-plugins
	@$(BIN)/python -m pip install --quiet --quiet -c constraints.txt --no-deps --upgrade --target $(VENV)/schemathesis --group schemathesis
	@touch $@
