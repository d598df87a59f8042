# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
BIN := .venv/bin
ROOMS := errors functions registration client endpoint model cli
# MLflow reports usage unless told not to.
export MLFLOW_DISABLE_TELEMETRY := true

# A real broker, cluster and database, for the tests of whole paths; a browser for a report.
DEBIAN := rabbitmq-server slurmctld slurmd slurm-client munge postgresql chromium

.PHONY: demo test quick check services clean

demo: .venv/local
	$(BIN)/matminer-compute demo

test: check services
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder --durations=25

quick: .venv/test  # what a developer runs between two thoughts
	$(BIN)/python -m pytest -m "not slow" -x

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p build/types/matminer_compute  # mypy cannot follow an editable install's import hook
	@for room in $(ROOMS); do ln -sfn ../../../$$room build/types/matminer_compute/$$room; done
	MYPYPATH=build/types $(BIN)/mypy -p matminer_compute

services:  # where it may; elsewhere the tests say what is missing (RUNLEVEL=1: start no daemon)
	@dpkg -s $(DEBIAN) >/dev/null 2>&1 || [ "$$(id -u)" != 0 ] || \
	  { apt-get update -q && RUNLEVEL=1 apt-get install -yq --no-install-recommends $(DEBIAN); }

.venv/bin/python:
	$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  apt-get update -q && apt-get install -yq python3-venv && $(PYTHON) -m venv .venv; }

.venv/local: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[local]'
	@touch $@

.venv/test: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@ .venv/local

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
