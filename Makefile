# Everything here does its own set-up: a virtual environment in .venv from the locked requirements,
# node packages in tests/js. A second run does only what changed. `make help` lists the targets.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo demo-native test test-pythons test-clients check coverage mutants attacks soak corpus bench bench-check \
  pictures conformance dist lock lock-conformance clean node-tools native-tools test-tools

VENV := .venv
PY := $(VENV)/bin/python
# The stamps live inside the environment, so removing it removes them too.
STAMPS := $(VENV)/.stamps
PIP := $(PY) -m pip install -qq --disable-pip-version-check --no-warn-script-location
AUTOBAHN := .venvs/autobahn
PROMETHEUS := .venvs/prometheus
CLIENTS := tests/clients
CLIENTS_STAMP := $(CLIENTS)/node_modules/.stamp
CLIENTS_PYTHON := .venvs/clients
DIST_PYTHON := .venvs/dist
NATIVE := build/native
JS := tests/js
JS_STAMP := $(JS)/node_modules/.stamp

# PYTHON=… chooses an interpreter. Otherwise the first that runs, is new enough and can make environments:
# a name on the PATH is no proof (version switchers leave names that only print an error).
SUITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))

SAYS_VERSION := import ensurepip, sys, venv; print("%d.%d" % sys.version_info[:2])
# Files are shared out among processes; most tests wait for sockets. More than four would compete for the machine.
PYTEST := -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
LIBRARY_TESTS := tests/cara_pseud tests/test_documentation.py tests/test_typing.py

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

demo: $(STAMPS)/project ## start the example services and the gateway (ARGS="--listen 127.0.0.1:9000")
	@exec $(VENV)/bin/cara-gateway demo $(ARGS)

demo-native: $(STAMPS)/project ## start services in C++ that speak native Cap'n Proto RPC, and the gateway (ARGS="--listen 127.0.0.1:9000")
	@if command -v g++ >/dev/null && command -v capnp >/dev/null && test -f /usr/include/capnp/rpc-twoparty.h; then \
	  $(MAKE) --no-print-directory $(NATIVE)/native; \
	fi
	@exec $(PY) examples/native/demo.py $(ARGS)

test: $(STAMPS)/dev $(JS_STAMP) $(PROMETHEUS)/.stamp test-tools $(NATIVE)/native ## run all tests, Python's and JavaScript's (ARGS="-k calls")
	$(PY) $(PYTEST) $(ARGS)

test-pythons: ## run the library's tests on Python 3.11, 3.12 and 3.13, each in .venvs/ (ARGS="-k calls")
	@missing=; failed=; \
	for version in 3.11 3.12 3.13; do \
	  found=; \
	  for python in $$(echo "$$PATH" | tr : '\n' | sed "s|\$$|/python$$version|") \
	      "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python; do \
	    if [ "$$("$$python" -c '$(SAYS_VERSION)' 2>/dev/null)" = "$$version" ]; then found="$$python"; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then missing="$$missing $$version"; continue; fi; \
	  echo "Python $$version: $$found"; \
	  $(MAKE) --no-print-directory VENV=.venvs/$$version PYTHON="$$found" .venvs/$$version/.stamps/dev && \
	    .venvs/$$version/bin/python $(PYTEST) $(LIBRARY_TESTS) $(ARGS) || failed="$$failed $$version"; \
	done; \
	if [ -n "$$failed" ]; then echo "The tests failed on Python$$failed." >&2; fi; \
	if [ -n "$$missing" ]; then \
	  echo "Not tested, because no interpreter was found that can make environments: Python$$missing." >&2; \
	fi; \
	test -z "$$failed$$missing"

test-clients: $(STAMPS)/project $(CLIENTS_STAMP) $(CLIENTS_PYTHON)/.stamp ## judge the OpenAPI document, and run clients that four generators make of it
	$(PY) -m tests.clients $(CLIENTS_PYTHON)/bin/python

check: $(STAMPS)/dev $(JS_STAMP) ## lint, types, import rules
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pytest tests/test_architecture.py
	cd $(JS) && npm run --silent check

pictures: $(STAMPS)/dev ## take the pictures of README.md and docs/console.md anew, with Chromium
	$(PY) -m tests.browser.pictures

# Without the tests that compare how long clients wait: what is measured is slower by as much as it has lines to run, so that
# a server which is asked much looks as if it kept others waiting. `make test` runs them.
coverage: $(STAMPS)/dev $(JS_STAMP) $(PROMETHEUS)/.stamp test-tools $(NATIVE)/native ## run all tests and print the lines and branches that none runs, by module, worst first
	@rm -f .coverage .coverage.*
	$(PY) -m coverage run --source=$(CURDIR)/gateway,$(CURDIR)/cara_pseud $(PYTEST) \
	  -p tests.last_words -m "not compares_waits" $(ARGS); status=$$?; \
	$(PY) -m coverage combine --quiet && $(PY) -m coverage report && exit $$status

mutants: $(STAMPS)/dev ## make the code wrong in places, see whether tests notice (SEED=1 COUNT=150 ONLY="gateway/http/*")
	@$(PY) -m tests.mutants $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(if $(ONLY),--only '$(ONLY)') $(ARGS)

attacks: $(STAMPS)/dev ## attack a gateway in every known way beside a good client (about 15 minutes; ARGS="--only '*session*'")
	@$(PY) -m tests.attacks $(ARGS)

soak: $(STAMPS)/dev ## load a gateway for 10 minutes and see whether anything grows (ARGS="--seconds 60")
	@$(PY) -m tests.soak $(ARGS)

corpus: $(STAMPS)/dev ## load 1,000 schemas made up by chance and compare with pycapnp (CARA_CORPUS=1000-3000 for others)
	@CARA_CORPUS=$${CARA_CORPUS:-0-1000} $(PY) $(PYTEST) -q tests/cara_pseud/schema/test_corpus.py $(ARGS)

bench: $(STAMPS)/project ## measure against bare Tornado and bare ZeroMQ (BENCH_PAIRS=21 BENCH_SECONDS=0.4)
	@$(PY) -m bench $(ARGS)

bench-check: $(STAMPS)/project ## measure cara_pseud and fail if it costs more than promised (about 3 minutes)
	@$(PY) -m bench.check

conformance: $(STAMPS)/project ## run the Autobahn test suite for WebSockets on both frame paths (about 1 minute; needs Python 2.7)
	@python=$(call find_python2); \
	$(MAKE) --no-print-directory PYTHON2="$$python" $(AUTOBAHN)/.stamp && \
	$(PY) tests/conformance/autobahn.py "$$python" $(AUTOBAHN)/packages .venvs/autobahn/report

# Nothing of the moment is in them, so that who builds the same commit gets the same bytes.
dist: $(STAMPS)/project $(DIST_PYTHON)/.stamp | node-tools ## build the wheel, the source archive and the npm package into dist/, and check them
	@rm -rf dist
	@$(PY) -m hatchling build --directory dist
	@cd static/client && npm pack --silent --pack-destination ../../dist
	@$(DIST_PYTHON)/bin/python -m twine check --strict dist/*.whl dist/*.tar.gz
	@cd static/client && npm pack --dry-run
	@cd dist && sha256sum *

lock-conformance: ## write requirements/conformance.txt anew (needs Python 2.7)
	@python=$(call find_python2); rm -rf .venv-lock/python2 && \
	"$$python" -m pip install -qq --disable-pip-version-check --target .venv-lock/python2 pip-tools==5.5.0 && \
	cd requirements && export CUSTOM_COMPILE_COMMAND="make lock-conformance" PYTHONPATH=../.venv-lock/python2 && \
	"$$python" -m piptools compile --quiet --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links \
	  $(ARGS) --output-file conformance.txt conformance.in && \
	sed -i 's/^\([a-z.-]*\)\[[a-z,]*\]==/\1==/' conformance.txt

lock: ## write requirements/*.txt anew from pyproject.toml and requirements/*.in (ARGS=--upgrade)
	$(call make_venv,.venv-lock)
	.venv-lock/bin/python -m pip install -qq --disable-pip-version-check pip-tools==7.6.2
	cd requirements && set -e && export CUSTOM_COMPILE_COMMAND="make lock" && \
	for pair in ../pyproject.toml:runtime.txt build.in:build.txt dev.in:dev.txt stock-pseud.in:stock-pseud.txt \
	    clients.in:clients.txt dist.in:dist.txt; do \
	  ../.venv-lock/bin/python -m piptools compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-options \
	    --no-emit-index-url --no-emit-find-links $(ARGS) --output-file "$${pair#*:}" "$${pair%%:*}"; \
	done

# Installed beside the interpreter that it needs, which has no venv module: a folder of packages will do.
$(AUTOBAHN)/.stamp: requirements/conformance.txt
	@echo 'Installing the Autobahn test suite'
	@rm -rf $(AUTOBAHN) && mkdir -p $(AUTOBAHN)
	@PIP_NO_PYTHON_VERSION_WARNING=1 $(PYTHON2) -m pip install -qq --disable-pip-version-check --require-hashes \
	  --target $(AUTOBAHN)/packages -r requirements/conformance.txt
	@touch $@

# Prometheus and its promtool, as links to what is installed, or unpacked from Debian's package. To install that would start
# a server on the developer's machine; unpacked, it touches nothing outside of the checkout and needs no root.
$(PROMETHEUS)/.stamp:
	@rm -rf $(PROMETHEUS) && mkdir -p $(PROMETHEUS)/usr/bin
	@if command -v prometheus >/dev/null && command -v promtool >/dev/null; then \
	  ln -s "$$(command -v prometheus)" "$$(command -v promtool)" $(PROMETHEUS)/usr/bin/; \
	elif command -v apt-get >/dev/null && command -v dpkg >/dev/null; then \
	  echo 'Unpacking prometheus'; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq; fi; \
	  cd $(PROMETHEUS) && apt-get -qq -o APT::Sandbox::User=root download prometheus && dpkg -x prometheus_*.deb . && \
	    rm prometheus_*.deb; \
	else \
	  echo 'The tests need prometheus and promtool in the PATH.' >&2; exit 1; \
	fi
	@touch $@

clean: ## remove what the other targets made
	rm -rf $(VENV) .venvs .venv-lock $(JS)/node_modules $(CLIENTS)/node_modules dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call find_python2): a shell expression that is the first Python 2.7 that runs and has pip, or ends with a hint.
define find_python2
$$(for python in $(PYTHON2) $$(command -v python2.7) "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/2.7.*/bin/python; do \
	  if "$$python" -c 'import pip, sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then \
	    echo "$$python"; exit 0; \
	  fi; \
	done; \
	echo 'The Autobahn test suite needs Python 2.7 with pip. Install it with pyenv: pyenv install 2.7.18' >&2; exit 1) || exit 1
endef

# $(call make_venv,DIRECTORY): leaves an environment alone that works.
define make_venv
	@if ! "$(1)/bin/python" -c '$(SUITS)' 2>/dev/null; then \
	  for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	    if "$$python" -c '$(SUITS)' 2>/dev/null; then found="$$python"; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo 'No Python 3.11, 3.12 or 3.13 that can make virtual environments was found. On Debian: apt-get install python3-venv' >&2; \
	    exit 1; \
	  fi; \
	  echo "Making $(1) with $$($$found --version)"; \
	  rm -rf "$(1)" && "$$found" -m venv "$(1)"; \
	fi
endef

$(STAMPS)/venv:
	$(call make_venv,$(VENV))
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/runtime: requirements/runtime.txt requirements/build.txt $(STAMPS)/venv
	@echo 'Installing the locked requirements'
	@$(PIP) --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@touch $@

$(STAMPS)/project: pyproject.toml $(STAMPS)/runtime
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/project
	@echo 'Installing what the tests and checks need'
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

# The services in C++ that speak native Cap'n Proto RPC. Built beside its place and moved there, so that what stands there is
# whole.
NATIVE_SOURCES := $(wildcard examples/native/*.c++ examples/native/*.h examples/native/*.capnp)

$(NATIVE)/native: $(NATIVE_SOURCES) | native-tools
	@echo 'Compiling the services in C++'
	@mkdir -p $(NATIVE)
	@capnp compile --src-prefix=examples/native --output=c++:$(NATIVE) $(filter %.capnp,$^)
	@g++ -std=c++14 -O1 -Wall -Wextra -Wno-unused-parameter -I$(NATIVE) -Iexamples/native -o $@.new \
	  $(patsubst examples/native/%,$(NATIVE)/%.c++,$(filter %.capnp,$^)) $(filter %.c++,$^) \
	  -lcapnp-rpc -lcapnp -lkj-async -lkj
	@mv $@.new $@

# Phony, so that a tool that was removed is missed at once; each costs a look-up.
node-tools:
	$(call need,node:nodejs npm:npm)

native-tools:
	$(call need,g++:g++ capnp:capnproto /usr/include/capnp/rpc-twoparty.h:libcapnp-dev)

test-tools:
	$(call need,curl:curl chromium:chromium wget:wget openssl:openssl nginx:nginx haproxy:haproxy caddy:caddy systemd-analyze:systemd redis-server:redis-server)

# $(call need,COMMAND:PACKAGE …), or a file in the command's place
define need
	@missing=; PATH="$$PATH:/usr/sbin"; \
	for pair in $(1); do command -v "$${pair%%:*}" >/dev/null || test -f "$${pair%%:*}" || missing="$$missing $${pair#*:}"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing$$missing"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  else \
	    echo "The tests need$$missing. Install with: sudo apt-get install -y$$missing" >&2; \
	    exit 1; \
	  fi; \
	fi
endef

$(JS_STAMP): $(JS)/package.json $(JS)/package-lock.json | node-tools
	@echo 'Installing the node packages of the tests'
	@cd $(JS) && npm ci --silent --no-audit --no-fund
	@touch $@

$(CLIENTS_STAMP): $(CLIENTS)/package.json $(CLIENTS)/package-lock.json | node-tools
	@echo 'Installing the generators of clients'
	@cd $(CLIENTS) && npm ci --silent --no-audit --no-fund
	@touch $@

$(DIST_PYTHON)/.stamp: requirements/dist.txt
	$(call make_venv,$(DIST_PYTHON))
	@$(DIST_PYTHON)/bin/python -m pip install -qq --disable-pip-version-check --no-warn-script-location \
	  --require-hashes -r requirements/dist.txt
	@touch $@

$(CLIENTS_PYTHON)/.stamp: requirements/clients.txt
	$(call make_venv,$(CLIENTS_PYTHON))
	@$(CLIENTS_PYTHON)/bin/python -m pip install -qq --disable-pip-version-check --no-warn-script-location \
	  --require-hashes -r requirements/clients.txt
	@touch $@
