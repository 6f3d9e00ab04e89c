#!/bin/sh
#SBATCH --job-name=dd-prep
#SBATCH --cpus-per-task=1
#SBATCH --mem=1500M
#SBATCH --time=04:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
# The clips of the videos in a list: sbatch --array=1-20 examples/slurm/prep.sh LIST.tsv WORK, see submit.sh
set -eu
list=$1 work=$2
. "${DD_SLURM:-examples/slurm}/task.sh"

set --
while IFS= read -r video; do
    set -- "$@" ${video:+"$video"}
done << END
$(values video | share)
END
[ $# = 0 ] || step dd-prep "$@" -o "$work/clips" --resume ${PREP:-}
exit "$failed"
