#!/bin/sh
#SBATCH --job-name=dd-audio
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=01:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
# The speech features of the audio files in a list: sbatch --array=1-20 examples/slurm/audio.sh LIST.tsv WORK
set -eu
list=$1 work=$2
: "${DD_EXAMPLES:=examples}"
. "$DD_EXAMPLES/slurm/task.sh"

mkdir -p -- "$work/speech"
files=$(columns audio)
IFS=$newline
set -- $files
unset IFS
[ $# = 0 ] || step dd-audio "$@" -o "$work/speech" --resume ${MOTION:+--weights "$MOTION"}
exit "$failed"
