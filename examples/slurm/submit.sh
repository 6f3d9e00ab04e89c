#!/bin/sh
# Dub a list of videos on a Slurm cluster, with an array of jobs for each stage:
#
#   sh examples/slurm/submit.sh LIST.tsv WORK TASKS [OPTION OF SBATCH]...
#
# ../pairs.py says what a list is. Intermediate files go to the folder WORK, messages to WORK/logs. Every array has TASKS
# tasks, which share the list. A video or audio file that occurs several times is processed once. The commands of dd_tools
# must be on the PATH.
#
# A task that is preempted, or that reaches its time limit, is queued again and continues where it was. A stage passes
# over what an earlier one could not make. The same command again makes what is missing or out of date. To run task 7 of
# 20 alone: TASKS=20 sbatch --array=7 examples/slurm/prep.sh LIST.tsv WORK
#
# RENDERER=FILE and MOTION=FILE are your own weights. PREP and RENDER are options for dd-prep and dd-render, such as
# PREP="--face speaking". TRUTH=PAIRS.tsv scores the outputs at the end, see eval.sh, with the options EVAL for dd-eval.
# RENDER_JOB are options of sbatch for the array of dd-render only, such as RENDER_JOB="--gres=gpu:1". ../README.md has
# the measurements behind the requests for memory and time in the scripts.
set -euf

if [ $# -lt 3 ]; then
    echo "usage: submit.sh LIST.tsv WORK TASKS [OPTION OF SBATCH]..." >&2
    exit 2
fi
list=$1 work=$2 TASKS=$3
shift 3
DD_EXAMPLES=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
export DD_EXAMPLES TASKS

python3 "$DD_EXAMPLES/pairs.py" "$list" 1/1 video audio output > /dev/null
[ -z "${TRUTH:-}" ] || python3 "$DD_EXAMPLES/pairs.py" "$TRUTH" 1/1 generated truth > /dev/null
mkdir -p -- "$work/logs"

# submit STAGE JOBS LIST [OPTION]...: its array, which begins when the JOBS have ended, even if items of theirs failed.
submit() {
    stage=$1 after=$2 rows=$3
    shift 3
    number=$(sbatch --parsable --array="1-$TASKS" ${after:+"--dependency=afterany:$after"} \
        --output="$work/logs/%x-%A_%a.log" "$@" "$DD_EXAMPLES/slurm/$stage.sh" "$rows" "$work")
    echo "${number%%;*}" # a federation adds the name of the cluster
}

prep=$(submit prep "" "$list" "$@")
audio=$(submit audio "" "$list" "$@")
encode=$(submit encode "$prep" "$list" "$@")
generate=$(submit generate "$encode:$audio" "$list" "$@")
last=$(submit render "$generate" "$list" "$@" ${RENDER_JOB:-})
if [ -n "${TRUTH:-}" ]; then
    last=$(submit eval "$last" "$TRUTH" "$@")
fi
echo "$last"
