#!/bin/sh
#SBATCH --job-name=dd-dub
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=08:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
# All stages in one process, which loads its models once: sbatch --array=1-20 examples/slurm/dub.sh LIST.tsv WORK
set -eu
list=$1 work=$2
: "${DD_EXAMPLES:=examples}"
. "$DD_EXAMPLES/slurm/task.sh"

mkdir -p -- "$work"
step dd-dub --batch "$list" --shard "$task/$tasks" --log "$work/log-$task.jsonl" --resume \
    ${RENDERER:+--renderer "$RENDERER"} ${MOTION:+--motion "$MOTION"} ${RENDER:-}
exit "$failed"
