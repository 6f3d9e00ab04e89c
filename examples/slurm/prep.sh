#!/bin/sh
#SBATCH --job-name=dd-prep
#SBATCH --cpus-per-task=1
#SBATCH --mem=1500M
#SBATCH --time=04:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
# The clips of the videos in a list: sbatch --array=1-20 examples/slurm/prep.sh LIST.tsv WORK
set -eu
list=$1 work=$2
: "${DD_EXAMPLES:=examples}"
. "$DD_EXAMPLES/slurm/task.sh"

mkdir -p -- "$work/clips"
videos=$(columns video)
IFS=$newline
set -- $videos
unset IFS
[ $# = 0 ] || step dd-prep "$@" -o "$work/clips" --resume ${PREP:-}
exit "$failed"
