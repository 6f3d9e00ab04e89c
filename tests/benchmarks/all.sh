#!/bin/sh
# All figures on speed, as ratios to other work in the same run: of the commands, of both renderers, and of training.
# Takes a quarter of an hour on two idle cores.
#
#   sh tests/benchmarks/all.sh [ROUNDS]
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=${PYTHON:-$(dirname -- "$(command -v dd-dub)")/python}
"$python" "$here/speed.py" --rounds "${1:-3}"
"$python" "$here/painting.py"
