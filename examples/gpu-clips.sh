#!/bin/sh
# Pack what examples/gpu.sh needs on a GPU machine into a small folder: KIT=FOLDER sh examples/gpu.sh uses it there.
#
#   sh examples/gpu-clips.sh CLIPS HELD-OUT-CLIPS [FOLDER]     default: ./.gpu, which git ignores
#
# CLIPS and HELD-OUT-CLIPS are folders of clips by dd-prep, or single clips with a pattern as in 'clips/a*.h5'. Clips of
# dd-prep --size 96 fit both presets that examples/gpu.sh trains, small and warp.
#
# SIZE=30          MiB of the whole folder, at most 60. Frames of the speakers who have most are left out until it fits.
# CRF=12           quality of the crops, H.264: 0 is best, 18 halves the size of 12
# HELD_FRAMES=40   frames of every held-out clip
# SPEAKERS=FILE    clip name and speaker, as for dd-train-ae; without it every clip counts as a speaker
# INIT=FILE        weights to start the training from, or a training state; packed with half the bits
# WHEELS="NAME..." packages that are missing there, fetched with pip for PYTHON_VERSION=3.12 on Linux x86-64. Without an
#                  ffmpeg program, "ffmpeg-python future soundfile cffi pycparser" are what dd_tools needs of its own.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
python=${PYTHON:-python3} size=${SIZE:-30}

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "usage: gpu-clips.sh CLIPS HELD-OUT-CLIPS [FOLDER]" >&2
    exit 2
fi
if [ "$size" -gt 60 ]; then
    echo "gpu-clips.sh: SIZE is $size MiB, at most 60 can be copied" >&2
    exit 2
fi
clips=$1 held=$2 kit=${3:-.gpu}
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH
programs=$root/examples/gpu

# Old files would count, and would be unpacked with the new ones.
mkdir -p "$kit"
rm -f "$kit"/train/*.npz "$kit"/held/*.npz "$kit"/wheels/*.whl "$kit/speakers.tsv" "$kit/init.safetensors"

if [ -n "${WHEELS:-}" ]; then
    # shellcheck disable=SC2086 # several names
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$kit/wheels" \
        --python-version "${PYTHON_VERSION:-3.12}" --implementation cp --platform manylinux_2_28_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 $WHEELS
fi
[ -z "${SPEAKERS:-}" ] || cp "$SPEAKERS" "$kit/speakers.tsv"
[ -z "${INIT:-}" ] || "$python" "$programs/weights.py" "$INIT" -o "$kit/init.safetensors"

pack() { # CLIPS FOLDER OPTION...
    from=$1 to=$2
    shift 2
    if [ -d "$from" ]; then
        "$python" "$programs/clips.py" pack "$from"/*.h5 -o "$to" --crf "${CRF:-12}" "$@"
    else
        # shellcheck disable=SC2086 # a pattern
        "$python" "$programs/clips.py" pack $from -o "$to" --crf "${CRF:-12}" "$@"
    fi
}
pack "$held" "$kit/held" --frames "${HELD_FRAMES:-40}"
used=$(du -sk "$kit" | cut -f 1)
pack "$clips" "$kit/train" --size "$(echo "$size $used" | awk '{ print $1 - $2 / 1024 }')" ${SPEAKERS:+--speakers "$SPEAKERS"}
du -sm "$kit"
