# What the array scripts share: they read it with ".".
failed=0 # 1 once a step has failed
tab=$(printf '\t')

# values COLUMN...: the absolute paths in these columns of the list, each row once.
values() {
    awk -F '\t' -v names="$*" -v folder="$(cd "$(dirname "$list")" && pwd)/" '
        { sub(/\r$/, "") }
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; count = split(names, wanted, " ") }
        NR == 1 { for (i = 1; i <= count; i++) if (!at[wanted[i]]) missing = missing " " wanted[i] }
        missing { print "no column" missing " in the first line of \047" FILENAME "\047" > "/dev/stderr"; exit 1 }
        NR > 1 && NF {
            row = ""
            for (i = 1; i <= count; i++) {
                path = $at[wanted[i]]
                row = row (i > 1 ? "\t" : "") (path ~ /^\// ? "" : folder) path
            }
            if (!seen[row]++) print row
        }' "$list"
}

# share: those lines of standard input that this task processes. TASKS: of the whole array, if only a part of it runs.
share() {
    awk -v task="$SLURM_ARRAY_TASK_ID" -v tasks="${TASKS:-$SLURM_ARRAY_TASK_COUNT}" 'NR % tasks == task % tasks'
}

# stem PATH: the name of a file without its folder and suffix.
stem() {
    basename "$1" | sed 's/\.[^.]*$//'
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
# if this signal (status 75, of other programs 138) or a SIGKILL, such as the kernel's when memory runs out, ended it.
step() {
    status=0
    srun --ntasks=1 --quiet "$@" < /dev/null || status=$?
    case $status in
        0) return ;;
        75 | 138) again=1 ;;
        137) again=$((${SLURM_RESTART_COUNT:-0} < 3)) ;;
        *) again=0 ;;
    esac
    if [ "$again" = 1 ]; then
        scontrol requeue "$SLURM_JOB_ID"
        exit "$status"
    fi
    failed=1
}
