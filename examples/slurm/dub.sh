#!/bin/sh
#SBATCH --job-name=dd-dub
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=08:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
# All stages in one process, with models that are loaded once: sbatch --array=1-20 examples/slurm/dub.sh LIST.tsv WORK
set -eu
list=$1 work=$2
. "${DD_SLURM:-examples/slurm}/task.sh"

values output | while IFS= read -r output; do mkdir -p "$(dirname "$output")"; done
# A shard has a number from 1, and task N of N may have the number 0 of an array that begins there.
tasks=${TASKS:-$SLURM_ARRAY_TASK_COUNT}
shard=$((SLURM_ARRAY_TASK_ID % tasks))
step dd-dub --batch "$list" --shard "$((shard ? shard : tasks))/$tasks" --log "$work/log.jsonl" --resume \
    ${RENDERER:+--renderer "$RENDERER"} ${MOTION:+--motion "$MOTION"} ${RENDER:-}
exit "$failed"
