#!/bin/sh
#SBATCH --job-name=dd-encode
#SBATCH --cpus-per-task=1
#SBATCH --mem=1500M
#SBATCH --time=01:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
# The latents of the videos in a list: sbatch --array=1-20 examples/slurm/encode.sh LIST.tsv WORK
set -eu
list=$1 work=$2
: "${DD_EXAMPLES:=examples}"
. "$DD_EXAMPLES/slurm/task.sh"

mkdir -p -- "$work/latents"
videos=$(columns video)
IFS=$newline
set -- $videos
unset IFS
for video in "$@"; do
    shift
    set -- "$@" "$work/clips/$(stem "$video").h5"
done
[ $# = 0 ] || step dd-encode "$@" -o "$work/latents" --resume ${RENDERER:+--renderer "$RENDERER"}
exit "$failed"
