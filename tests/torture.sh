#!/bin/sh
# Torture every command: damaged inputs, kills, full disks and crowds, with tiny models. Prints a table of faults.
#
#   sh tests/torture.sh [MINUTES] [--seed N] [--only fuzz,kill,disk,crowd] [--case N] [--sample]     default: 30 minutes
#   sh tests/torture.sh --only soak [--video-minutes N] [--width N] [--kills N]    one long video, with the shipped models
#
# VENV=FOLDER and PYTHON=PROGRAM as in examples/install.sh.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
VENV=${VENV:-$root/venv}
export VENV
sh "$root/examples/install.sh" -e "$root[test]"

OMP_NUM_THREADS=1
PYTHONPATH=$root/tests${PYTHONPATH:+:$PYTHONPATH}
export OMP_NUM_THREADS PYTHONPATH
exec "$VENV/bin/python" -m torture "$@"
