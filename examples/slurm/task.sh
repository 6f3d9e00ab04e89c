# What the array scripts share; they read it with "." after they have set `list`, if they have one.
set -f # options in variables are split into words, and nothing else
tab=$(printf '\t')
newline='
'
failed=0 # 1 once a step has failed
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}"

# The number of this task, from 1, and of all. TASKS is the latter, if only a part of an array is run again.
if [ -z "${TASKS:-}" ]; then
    case $SLURM_ARRAY_TASK_MIN-$((SLURM_ARRAY_TASK_MAX - SLURM_ARRAY_TASK_MIN + 1)) in
        [01]-"$SLURM_ARRAY_TASK_COUNT") ;;
        *)
            echo "this is a part of an array: set TASKS to the number of tasks in the whole array" >&2
            exit 2
            ;;
    esac
fi
tasks=${TASKS:-$SLURM_ARRAY_TASK_COUNT}
task=$((SLURM_ARRAY_TASK_ID % tasks))
task=$((task ? task : tasks))

# columns NAME...: these columns of the rows of this task, as in pairs.py.
columns() {
    python3 "$DD_EXAMPLES/pairs.py" "$list" "$task/$tasks" "$@"
}

# stem PATH: the name of a file without its folder and suffix.
stem() {
    name=${1##*/}
    case $name in
        ?*.*) printf '%s\n' "${name%.*}" ;;
        *) printf '%s\n' "$name" ;;
    esac
}

# is_new FILE SOURCE...: whether the file exists and no source is newer.
is_new() {
    made=$1
    shift
    [ -e "$made" ] || return 1
    for source in "$@"; do
        ! [ "$source" -nt "$made" ] || return 1
    done
}

# step COMMAND...: a command as a job step, as Slurm sends the signal of --signal to steps only. The task is queued again
# if this signal (status 75, of other programs 138) ended it, or the SIGTERM of a preemption (143), or, three times, a
# SIGKILL (137), such as the kernel's when memory runs out. A task that was cancelled is not running any more. Another
# failure sets `failed`, and the script goes on. `status` is that of the command.
step() {
    status=0
    srun --ntasks=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --quiet "$@" < /dev/null || status=$?
    case $status in
        0) return ;;
        75 | 138) again=1 ;;
        143) again=$(squeue -h -j "$SLURM_JOB_ID" -t RUNNING -o 1) ;;
        137) again=$((${SLURM_RESTART_COUNT:-0} < 3)) ;;
        *) again=0 ;;
    esac
    if [ "$again" = 1 ]; then
        scontrol requeue "$SLURM_JOB_ID"
        exit "$status"
    fi
    failed=1
}
