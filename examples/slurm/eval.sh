#!/bin/sh
#SBATCH --job-name=dd-eval
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# The scores of generated videos: sbatch --array=1-20 examples/slurm/eval.sh PAIRS.tsv WORK
# PAIRS.tsv has the columns generated and truth. WORK/scores/N.csv has the videos of task N; means, intervals and FID at its
# end are those of the task. dd-eval cannot continue, so a task that reaches its time limit fails: use more tasks.
set -eu
list=$1 work=$2
: "${DD_EXAMPLES:=examples}"
. "$DD_EXAMPLES/slurm/task.sh"

mkdir -p -- "$work/scores"
scores=$work/scores/$task
columns generated truth > "$scores.tsv"
[ ! -s "$scores.tsv" ] || step dd-eval "$scores.tsv" --csv "$scores.csv" --json "$scores.json" ${EVAL:-}
exit "$failed"
