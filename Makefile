# Everything below sets itself up in .venv on a machine that has Python 3.11 or later and a package index.
# torch comes from whatever index pip is configured with; a CPU build on offer there is preferred to a CUDA one.
.PHONY: demo test lint clean

PYTHON ?= python3
BIN = .venv/bin
export DO_NOT_TRACK = 1

demo: .venv/test.installed
	$(BIN)/stylepress render manifests/quickstart.yaml

test: .venv/test.installed
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: .venv/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

.venv/%.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@

clean:
	rm -rf .venv out
