#!/bin/sh
#SBATCH --job-name=dd-part
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=08:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
# A part of FRAMES frames of a long video, see split.sh: part.sh CLIP.h5 MOTION.npy VIDEO FOLDER
set -eu
clip=$1 motion=$2 video=$3 folder=$4
. "$DD_EXAMPLES/slurm/task.sh"

first=$(((task - 1) * FRAMES)) last=
[ "$task" = "$tasks" ] || last=$((first + FRAMES))
part=$folder/$(printf '%08d' "$first").mp4
is_new "$part" "$clip" "$motion" "$video" ${RENDERER:+"$RENDERER"} ||
    step dd-render "$clip" --latents "$motion" --source "$video" --frames "$first:$last" -o "$part" --resume \
        ${RENDERER:+--renderer "$RENDERER"} ${RENDER:-}
exit "$failed"
