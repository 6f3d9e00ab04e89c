#!/bin/sh
# From nothing to a dubbed portrait: installs dd_tools, then dubs the astronaut Eileen Collins (a public-domain photograph by
# NASA in scikit-image) with eleven seconds of John F. Kennedy's inaugural address of 1961 (kennedy.flac, public domain).
#
#   sh examples/quickstart.sh [FOLDER]           default: ./quickstart
#
# Needs Python 3.10 or newer and a network for pip; VENV=FOLDER and PYTHON=PROGRAM as in examples/install.sh.
# Steps that are done are skipped; remove FOLDER to start over.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
folder=${1:-quickstart}
VENV=${VENV:-$root/venv}
export VENV

[ -x "$VENV/bin/dd-dub" ] || sh "$root/examples/install.sh"
mkdir -p "$folder"

if ! [ -e "$folder/astronaut.png" ]; then
    echo "copying a portrait out of scikit-image"
    "$VENV/bin/python" -c "import skimage, sys; skimage.io.imsave(sys.argv[1], skimage.data.astronaut())" "$folder/astronaut.png"
fi

if ! [ -e "$folder/astronaut.mp4" ]; then
    echo "dubbing: dd-dub $folder/astronaut.png $root/examples/kennedy.flac -o $folder/astronaut.mp4"
    "$VENV/bin/dd-dub" "$folder/astronaut.png" "$root/examples/kennedy.flac" -o "$folder/astronaut.mp4"
fi

if ! [ -e "$folder/strip.png" ]; then
    echo "cropping ten faces out of the result"
    "$VENV/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import skimage

from dd_tools.media.video import read_frames

folder = Path(sys.argv[1])
frames = [frame.image for frame in read_frames(folder / "astronaut.mp4")]
faces = [frames[index][80:200, 164:284] for index in np.linspace(0, len(frames) - 1, 10).astype(int)]
skimage.io.imsave(folder / "strip.png", np.hstack(faces))
PYTHON
fi

echo "done: $folder/astronaut.mp4 is the video, $folder/strip.png shows ten frames of it"
