#!/bin/sh
# Dub a list of videos on a Slurm cluster, with an array of jobs for each stage:
#
#   sh examples/slurm/submit.sh LIST.tsv WORK TASKS [OPTION OF SBATCH]...
#
# LIST.tsv has the columns video, audio and output, separated by tabs, with these names in the first line. Its paths are
# relative to its folder, as in `dd-dub --batch`. Intermediate files go to the folder WORK, messages to WORK/logs. Every
# array has TASKS tasks, which share the list. A video or audio file that occurs several times is processed once.
#
# A task that is preempted, or that reaches its time limit, is queued again and continues where it was. A stage passes
# over what an earlier one could not make. The same command again makes what is missing or out of date.
#
# RENDERER=FILE and MOTION=FILE are your own weights. PREP and RENDER are options for dd-prep and dd-render, such as
# PREP="--face speaking". TRUTH=PAIRS.tsv scores the outputs at the end: a list for dd-eval, whose options are in EVAL.
# The requests for memory and time in the scripts are for videos of up to 1080p; see examples/README.md.
set -eu

if [ $# -lt 3 ]; then
    echo "usage: submit.sh LIST.tsv WORK TASKS [OPTION OF SBATCH]..." >&2
    exit 2
fi
list=$1 work=$2 TASKS=$3
shift 3
DD_SLURM=$(cd "$(dirname "$0")" && pwd)
export DD_SLURM TASKS
. "$DD_SLURM/task.sh"

values video audio output > /dev/null
other=$(head -n 1 "$list" | tr -d '\r' | tr '\t' '\n' | grep -vx -e video -e audio -e output | head -n 1)
if [ -n "$other" ]; then
    echo "submit.sh: options of one video, such as column $other of '$list', need dub.sh" >&2
    exit 1
fi
for column in video audio; do
    same=$(values "$column" | sed 's|.*/||; s|\.[^.]*$||' | sort | uniq -d | head -n 1)
    if [ -n "$same" ]; then
        echo "submit.sh: two files in column $column of '$list' are called '$same'; rename one" >&2
        exit 1
    fi
done
mkdir -p "$work/clips" "$work/latents" "$work/speech" "$work/motion" "$work/scores" "$work/logs"

# submit STAGE JOBS [OPTION]...: its array, which begins when the JOBS have ended, even if some of their items failed.
submit() {
    stage=$1 after=$2
    shift 2
    sbatch --parsable --array="1-$TASKS" ${after:+"--dependency=afterany:$after"} \
        --output="$work/logs/%x-%A_%a.log" "$@" "$DD_SLURM/$stage.sh" "$list" "$work"
}

prep=$(submit prep "" "$@")
audio=$(submit audio "" "$@")
encode=$(submit encode "$prep" "$@")
generate=$(submit generate "$encode:$audio" "$@")
last=$(submit render "$generate" "$@")
if [ -n "${TRUTH:-}" ]; then
    last=$(list=$TRUTH && submit eval "$last" "$@")
fi
echo "$last"
