#!/bin/sh
# Render one long video on a Slurm cluster, in parts that are joined at the end:
#
#   sh examples/slurm/split.sh CLIP.h5 MOTION.npy VIDEO AUDIO OUTPUT.mp4 TASKS [OPTION OF SBATCH]...
#
# The parts go to the folder OUTPUT.mp4.split, which is not removed. RENDERER=FILE is your own weights, RENDER options for
# dd-render, except those that change how long the output is (--loop, --tail).
set -eu

if [ $# -lt 6 ]; then
    echo "usage: split.sh CLIP.h5 MOTION.npy VIDEO AUDIO OUTPUT.mp4 TASKS [OPTION OF SBATCH]..." >&2
    exit 2
fi
clip=$1 motion=$2 video=$3 audio=$4 output=$5 TASKS=$6
shift 6
DD_SLURM=$(cd "$(dirname "$0")" && pwd)
frames=$(dd-info "$clip" | awk '$1 == "frames:" { print $2 }')
# Parts that begin at multiples of 240 frames are those of a rendering in one piece.
FRAMES=$(((frames + 240 * TASKS - 1) / (240 * TASKS) * 240))
TASKS=$(((frames + FRAMES - 1) / FRAMES))
export DD_SLURM TASKS FRAMES

mkdir -p "$output.split"
parts=$(sbatch --parsable --array="1-$TASKS" --output="$output.split/%a.log" "$@" "$DD_SLURM/part.sh" \
    "$clip" "$motion" "$video" "$output.split")
sbatch --parsable --dependency="afterok:$parts" --output="$output.split/join.log" "$@" "$DD_SLURM/join.sh" \
    "$clip" "$motion" "$video" "$audio" "$output" "$output.split"
