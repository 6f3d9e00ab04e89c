#!/bin/sh
# Create a virtual environment and install dd_tools into it.
#
#   sh examples/install.sh [PIP-ARGUMENT...]     default: this checkout
#
# VENV=FOLDER    the environment, created if it does not exist; default: venv beside pyproject.toml
# PYTHON=PROGRAM Python 3.10 or newer; default: the first one found
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
VENV=${VENV:-$root/venv}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3 python3.14 python3.13 python3.12 python3.11 python3.10 python
    fi
    for python; do
        if "$python" -c "import sys; sys.exit(sys.version_info < (3, 10))" 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    if [ -n "${PYTHON:-}" ]; then
        echo "install.sh: '$PYTHON' is not Python 3.10 or newer; set PYTHON to another one" >&2
    else
        echo "install.sh: no Python 3.10 or newer found; install one, or name it: PYTHON=/path/to/python3" >&2
    fi
    return 1
}

if ! [ -x "$VENV/bin/pip" ]; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        echo "install.sh: '$python' cannot create virtual environments: install its venv package (on Debian and Ubuntu python3-venv)" >&2
        exit 1
    fi
    echo "creating a virtual environment in $VENV with $("$python" --version)"
    "$python" -m venv "$VENV"
fi

echo "installing dd_tools and its dependencies into $VENV (the first time takes minutes)"
[ $# -gt 0 ] || set -- "$root"
"$VENV/bin/pip" install --quiet --disable-pip-version-check "$@"
