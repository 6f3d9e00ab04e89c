#!/bin/sh
# Render one long video on a Slurm cluster, in parts that are joined at the end:
#
#   sh examples/slurm/split.sh CLIP.h5 MOTION.npy VIDEO AUDIO OUTPUT.mp4 TASKS [OPTION OF SBATCH]...
#
# The parts and messages go to the folder OUTPUT.mp4.split, which is not removed. RENDERER=FILE is your own weights. RENDER
# are options for dd-render: those that change the frames, not --loop, --tail, --metadata and --audio-channel.
set -euf

if [ $# -lt 6 ]; then
    echo "usage: split.sh CLIP.h5 MOTION.npy VIDEO AUDIO OUTPUT.mp4 TASKS [OPTION OF SBATCH]..." >&2
    exit 2
fi
clip=$1 motion=$2 video=$3 audio=$4 output=$5 TASKS=$6
shift 6
DD_EXAMPLES=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
info=$(dd-info "$clip")
frames=$(echo "$info" | sed -n 's/^frames: //p')
# Parts that begin at multiples of 240 frames are those of a rendering in one piece.
FRAMES=$(((frames + 240 * TASKS - 1) / (240 * TASKS) * 240))
TASKS=$(((frames + FRAMES - 1) / FRAMES))
export DD_EXAMPLES TASKS FRAMES

folder=$output.split/$FRAMES
mkdir -p -- "$folder"
parts=$(sbatch --parsable --array="1-$TASKS" --output="$folder/%a.log" "$@" "$DD_EXAMPLES/slurm/part.sh" \
    "$clip" "$motion" "$video" "$folder")
sbatch --parsable --dependency="afterok:${parts%%;*}" --kill-on-invalid-dep=yes --output="$folder/join.log" "$@" \
    "$DD_EXAMPLES/slurm/join.sh" "$clip" "$motion" "$video" "$audio" "$output" "$folder"
