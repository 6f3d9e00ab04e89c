#!/bin/sh
#SBATCH --job-name=dd-eval
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=04:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
# The scores of generated videos: sbatch --array=1-20 examples/slurm/eval.sh PAIRS.tsv WORK, with a list for dd-eval
set -eu
list=$1 work=$2
. "${DD_SLURM:-examples/slurm}/task.sh"

pairs=$work/scores/$SLURM_ARRAY_TASK_ID.tsv
values generated truth | share > "$pairs"
[ ! -s "$pairs" ] || step dd-eval "$pairs" --csv "${pairs%.tsv}.csv" --json "${pairs%.tsv}.json" ${EVAL:-}
exit "$failed"
