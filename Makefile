# Every target works as the first command in a fresh clone: it makes .venv, or reuses the one that is
# there, and installs the versions pinned in constraints.txt when they or pyproject.toml have changed.

PYTHON ?= python3
VENV := .venv
PYTEST_ARGS ?=
# Test processes; each computes on one core.
WORKERS ?= 2
# What `make bench` runs: every file of benchmarks/ without a leading underscore.
BENCH ?= $(sort $(wildcard benchmarks/[!_]*.py))

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

# Quiet about its warnings too, but never about an error.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --quiet -c constraints.txt
ENGINE := $(VENV)/.installed-engine
APP := $(VENV)/.installed-app
TEST := $(VENV)/.installed-test
DOCS := $(VENV)/.installed-docs

# What Qt and a virtual screen need on Debian and Ubuntu.
DEBIAN_PACKAGES := xvfb xauth libdbus-1-3 libfontconfig1 libglib2.0-0 libxcb-icccm4 libxcb-image0 \
	libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxkbcommon-x11-0
# Runs what follows on a virtual screen where one can be had, and as it is elsewhere.
ON_SCREEN := on_screen() { \
		if command -v xvfb-run >/dev/null; then xvfb-run -a -s "-screen 0 1920x1200x24" "$$@"; else "$$@"; fi; \
	}; on_screen

.PHONY: help install demo app test test-qt trust cards dist wheelhouse bench docs docs-cli docs-images venv screen debian-packages clean
.DEFAULT_GOAL := help

help:
	@echo "make demo         synthetic hearts from bundled masks, into demo-out/"
	@echo "make app          napari with the plugin open"
	@echo "make test         lint, layers, types, manifest and every test"
	@echo "make test-qt      the app's tests with another Qt: QT=pyqt6 or pyside6, NAPARI=a version"
	@echo "make dist         wheel and source distribution, into dist/"
	@echo "make wheelhouse   all that an offline computer of this kind needs, into wheelhouse/"
	@echo "make trust        every figure in worlds where its answer is known, into docs/explanation/"
	@echo "make install      engine and app into .venv"
	@echo "make cards        hashes and tables of the bundled models, from their cards"
	@echo "make bench        speed, memory and, where patient data are, quality"
	@echo "make docs         the documentation as a site, into site/"
	@echo "make docs-cli     docs/reference/cli.md, from the help of the program"
	@echo "make docs-images  the pictures in docs/img, from the real program"

install: $(APP)

demo: $(ENGINE)
	$(BIN)/cmr-synth demo --out demo-out

app: $(APP)
	$(BIN)/cmr-synth app

test: $(TEST) screen
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m mypy src/cmr_synth napari_cmr_synth
	$(BIN)/python -m npe2 validate --imports napari_cmr_synth
	$(ON_SCREEN) env OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=25 --durations-min=5 $(PYTEST_ARGS)

# A second environment over the first, so that only Qt and, where it is named, napari are its own.
QT ?= pyqt6
test-qt: $(TEST) screen
	test -d $(VENV)-$(QT) || $(PYTHON) -m venv $(VENV)-$(QT)
	$(BIN)/python tools/environment_over.py $(VENV)-$(QT) $(if $(NAPARI),--without napari)
	$(VENV)-$(QT)/bin/python -m pip install --quiet -c constraints.txt $(QT)
	$(if $(NAPARI),$(VENV)-$(QT)/bin/python -m pip install --quiet "napari==$(NAPARI)")
	$(ON_SCREEN) env OMP_NUM_THREADS=1 QT_API=$(QT) $(VENV)-$(QT)/bin/python -m pytest -q tests/gui tests/plugin tests/cli/test_app.py --durations=25 --durations-min=5 $(PYTEST_ARGS)

dist: $(TEST)
	$(BIN)/python -m hatchling build -d dist

wheelhouse: dist
	$(BIN)/python -m pip download --quiet --only-binary=:all: -c constraints.txt -d wheelhouse "$$(ls -t dist/*.whl | head -1)[app]"
	cp constraints.txt wheelhouse/

trust: $(ENGINE)
	env OMP_NUM_THREADS=1 $(BIN)/python tools/try_worlds.py

cards: $(ENGINE)
	$(BIN)/python tools/bundled_cards.py
	$(BIN)/python docs/make_review.py

bench: $(TEST) screen
	@for script in $(BENCH); do \
		echo "== $$script"; $(ON_SCREEN) $(BIN)/python "$$script" || exit 1; \
	done

docs: $(DOCS)
	$(BIN)/python -m mkdocs build --strict

docs-cli: $(ENGINE)
	$(BIN)/python docs/make_cli_reference.py

docs-images: $(APP) screen
	$(BIN)/python docs/make_architecture.py
	$(BIN)/python docs/make_simulated.py
	$(BIN)/python docs/make_new_hearts.py
	$(ON_SCREEN) $(BIN)/python docs/make_images.py
	$(ON_SCREEN) $(BIN)/python docs/make_app_images.py

clean:
	rm -rf demo-out site dist wheelhouse

venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "$(PYTHON) is older than Python 3.10; name a newer one: make PYTHON=python3.12"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || \
		{ echo "no virtual environment could be made; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

# Each stamp is as new as the last install of its extras.
$(ENGINE): pyproject.toml constraints.txt | venv
	@echo "installing the versions of constraints.txt into $(VENV): minutes the first time"
	$(PIP_INSTALL) -e .
	@touch $@

$(APP): pyproject.toml constraints.txt | venv
	@echo "installing the versions of constraints.txt into $(VENV): minutes the first time"
	$(PIP_INSTALL) -e ".[app]"
	@touch $(ENGINE) $@

$(TEST): pyproject.toml constraints.txt | venv
	@echo "installing the versions of constraints.txt into $(VENV): minutes the first time"
	$(PIP_INSTALL) -e ".[app,test]"
	@touch $(ENGINE) $(APP) $@

$(DOCS): pyproject.toml constraints.txt | venv
	@echo "installing the versions of constraints.txt into $(VENV): minutes the first time"
	$(PIP_INSTALL) -e ".[docs]"
	@touch $(ENGINE) $@

# Installs the missing Debian packages as root, names the command otherwise, does nothing elsewhere.
screen:
	@command -v apt-get >/dev/null || exit 0; \
	LC_ALL=C apt-get --simulate --no-upgrade install $(DEBIAN_PACKAGES) 2>/dev/null | grep -q '^0 upgraded, 0 newly' && exit 0; \
	if [ "$$(id -u)" = 0 ]; then \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get -qq update && \
		apt-get -qq -y --no-upgrade --no-install-recommends -o DPkg::Lock::Timeout=120 install $(DEBIAN_PACKAGES) >/dev/null; \
	else \
		echo "for a virtual screen: sudo apt-get install $(DEBIAN_PACKAGES)"; \
	fi

debian-packages:
	@echo $(DEBIAN_PACKAGES)
