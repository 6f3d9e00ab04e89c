#!/bin/sh
# Install dd_tools for development and run its whole test suite.
#
#   sh tests/run.sh [PYTEST-ARGUMENT...]
#
# VENV=FOLDER and PYTHON=PROGRAM as in examples/install.sh.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
VENV=${VENV:-$root/venv}
export VENV
sh "$root/examples/install.sh" -e "$root[test]"

# Two processes of one thread each: networks as small as the tests' only lose by sharing their sums among threads.
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
exec "$VENV/bin/python" -m pytest -c "$root/pyproject.toml" --rootdir "$root" -n 2 "$@"
