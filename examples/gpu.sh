#!/bin/sh
# On a machine with a CUDA GPU: check that it computes what a CPU computes, measure its speed, and train a renderer.
#
#   sh examples/gpu.sh [MINUTES]                 default: 9 minutes for all
#
# What is measured is in gpu-results/summary.md, beside environment.txt, log.txt, and of the training renderer.safetensors
# (16-bit), loss.csv, loss.png and faces.png. A part that fails or takes too long is noted, and the next one begins. The
# exit status is 1 if a part failed. Needs dd_tools, its test dependencies and coreutils; no ffmpeg.
#
# OUT=FOLDER       for the results; no file is larger than 15 MiB
# KIT=FOLDER       what examples/gpu-clips.sh packed: clips to train on, held-out clips, speakers, weights, packages
# CLIPS=FOLDER     clips to train on (*.h5), and HELD=FOLDER, clips of other people, if they are not in a kit; made with
#                  dd-prep --size 96, which the presets small and warp take
# SPEAKERS=FILE    the option --speakers of dd-train-ae
# RENDERER=FILE    a renderer of the kind diffdub to check; default: INIT, else random weights
# TRAIN=PRESET     what to train: small (default), warp, another preset, or none; INIT=FILE: weights to start from
# DISTILL=FILE STEPS_OUT=2     instead, distill this renderer of the kind diffdub into one that paints in 1, 2 or 4 steps;
#                  what it loses is measured on the held-out clips, with TRUNK=FILE, the AlexNet trunk, also in LPIPS
# BATCH=128 DTYPE=bf16 RATE=... WORKERS=N STEPS=N     of the training; STEPS: not as many as fit
# TRAIN_OPTIONS="--no-augment ..."                    further options of dd-train-ae
# PRESET=paper BATCHES=1,2,4,8,16,32,64 MEASURE=110   the network to measure, frames per batch, and seconds for it
# COMPILED=8       frames per batch to compile it for; empty to compile nothing, not in the tests either
# FRAMES=8 SAMPLING=20    frames and sampling steps of what is compared with the CPU and shown
# DEVICE=cuda PYTHON=python3 WORK=FOLDER              WORK keeps the training in full precision
# RESERVE=45       seconds kept free after the training, and TRAINING=150 for it: what comes before is cut short
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
minutes=${1:-9}
case $minutes in
'' | *[!0-9]* | 0?*)
    echo "usage: gpu.sh [MINUTES]" >&2
    exit 2
    ;;
esac
end=$(($(date +%s) + 60 * minutes))

out=${OUT:-gpu-results} device=${DEVICE:-cuda} python=${PYTHON:-python3}
preset=${TRAIN:-small} measure=${MEASURE:-110} compiled=${COMPILED-8} steps=${SAMPLING:-20}
work=${WORK:-$(mktemp -d)}
mkdir -p "$out" "$work"
summary=$out/summary.md log=$out/log.txt parts=$work/parts.md
PYTHONPATH=$work/packages:$root${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE
programs=$root/examples/gpu benchmarks=$root/tests/benchmarks
cores=$(getconf _NPROCESSORS_ONLN) # nproc would obey OMP_NUM_THREADS
# Every worker keeps batches in shared memory, a gigabyte in all, and six load faster than a GPU trains.
shared=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
if [ "${shared:-0}" -lt 4000000 ]; then
    workers=${WORKERS:-0}
else
    workers=${WORKERS:-$((cores > 8 ? 6 : cores > 2 ? cores - 2 : 0))}
fi
status=0 child= kept=0 # seconds that no part may use
if [ "$preset" != none ] && [ -n "${CLIPS:-}${KIT:-}" ]; then
    kept=$((${TRAINING:-150} < 60 * minutes / 3 ? ${TRAINING:-150} : 60 * minutes / 3))
fi

echo "# $(date -u '+%Y-%m-%d %H:%M') UTC, $minutes minutes" >"$summary"
: >"$log"
: >"$parts"

finish() { # Append the table of parts, and show all.
    {
        printf '\n## Parts\n\n| part | seconds | |\n|---|---:|---|\n'
        cat "$parts"
    } >>"$summary"
    [ -n "${WORK:-}" ] || rm -rf "$work"
    cat "$summary"
}

first_of() { # FILE...: the first one that exists
    for file; do
        if [ -e "$file" ]; then
            echo "$file"
            return
        fi
    done
}

trained() { # The weights of the training; those of an unfinished one are in its state.
    first_of "$work/renderer.safetensors" "$work/renderer.state.safetensors"
}

save_weights() { # [part NAME LIMIT]; not more than two files
    cp "$work/renderer.csv" "$out/loss.csv"
    "$@" "$python" "$programs/weights.py" "$(trained)" -o "$out/renderer.safetensors" --largest 15 --pieces 2
}

stop() {
    trap '' TERM INT
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null
        wait "$child"
    fi
    echo "| (the rest) | | **stopped from outside** |" >>"$parts"
    [ -z "$(trained)" ] || save_weights >>"$summary" 2>>"$log"
    finish
    exit 143
}
trap stop TERM INT

left() { # Seconds until the end.
    echo $((end - $(date +%s)))
}

# part NAME LIMIT COMMAND...: run a command for at most LIMIT seconds; what it prints goes to the summary, what it says to
# the log. Returns its exit status, 124 if it took too long.
part() {
    name=$1 limit=$2
    shift 2
    rest=$(($(left) - kept))
    [ "$limit" -le "$rest" ] || limit=$rest
    if [ "$limit" -le 0 ]; then
        note "$name" 0 "**no time left**"
        return 124
    fi
    printf '\n## %s\n\n' "$name" >>"$summary"
    echo "== $name, at most $limit s" | tee -a "$log"
    began=$(date +%s)
    timeout -k 25 "$limit" "$@" >>"$summary" 2>>"$log" &
    child=$!
    wait "$child"
    code=$?
    child=
    case $code in
    0) verdict=done ;;
    124 | 137) verdict="**stopped after $limit s**" ;;
    *) verdict="**failed** (exit status $code)" ;;
    esac
    note "$name" "$(($(date +%s) - began))" "$verdict"
    return "$code"
}

note() { # NAME SECONDS VERDICT
    echo "| $1 | $2 | $3 |" >>"$parts"
    case $3 in done | skipped*) ;; *) status=1 ;; esac
}

# What the kit brings.
if [ -n "${KIT:-}" ]; then
    [ -z "$(first_of "$KIT"/wheels/*.whl)" ] ||
        part "packages" 60 "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir \
            --disable-pip-version-check --upgrade --target "$work/packages" "$KIT"/wheels/*.whl
    part "unpacking the clips to train on" 60 "$python" "$programs/clips.py" unpack "$KIT/train" -o "$work/train"
    part "unpacking the held-out clips" 30 "$python" "$programs/clips.py" unpack "$KIT/held" -o "$work/held"
    : "${CLIPS:=$work/train}" "${HELD:=$work/held}"
    : "${SPEAKERS:=$(first_of "$KIT/speakers.tsv")}" "${INIT:=$(first_of "$KIT/init.safetensors")}"
fi
renderer=${RENDERER:-${INIT:-}}
[ "$renderer" != default ] || renderer= # what ships is checked anyway
clip=$(first_of "${HELD:-}"/*.h5 "${CLIPS:-}"/*.h5)

part "environment" 60 "$python" "$programs/environment.py"
sed -n '/^## environment/,$p' "$summary" >"$out/environment.txt"

# conftest.py needs ffmpeg, which these tests do not.
tests() { # NAME LIMIT MARKERS
    part "$1" "$2" "$python" -m pytest -c "$root/pyproject.toml" --rootdir "$root" --noconftest -p no:cacheprovider \
        --tb=short -m "$3" "$root/tests/test_cuda.py"
}
tests "tests" 120 "cuda and not slow"
[ -z "$compiled" ] || tests "tests of compilation" 75 "cuda and slow"

if [ -n "$clip" ]; then
    part "agreement with the CPU" 120 "$python" "$benchmarks/device_agreement.py" "$clip" --device "$device" \
        --frames "${FRAMES:-8}" --steps "$steps" ${renderer:+--renderer "$renderer"}
else
    note "agreement with the CPU" 0 "skipped, it needs a clip"
fi

part "throughput" $((measure + 25)) "$python" "$benchmarks/gpu_throughput.py" --device "$device" \
    --preset "${PRESET:-paper}" --batches "${BATCHES:-1,2,4,8,16,32,64}" --seconds "$measure" \
    ${compiled:+--compiled "$compiled"} ${PEAK_SIZE:+--peak-size "$PEAK_SIZE"} ${clip:+--clip "$clip"}

train() {
    kept=0
    if [ -n "${DISTILL:-}" ]; then
        set -- --distill "$DISTILL" --steps-out "${STEPS_OUT:-2}"
    else
        set -- --preset "$preset" ${INIT:+--init "$INIT"}
    fi
    # shellcheck disable=SC2086 # several options
    part "training" "$(left)" "$python" "$programs/train.py" "$CLIPS" -o "$work/renderer.safetensors" \
        --seconds "$(left)" --reserve "${RESERVE:-45}" ${STEPS:+--steps "$STEPS"} "$@" \
        ${SPEAKERS:+--speakers "$SPEAKERS"} --device "$device" --dtype "${DTYPE:-bf16}" \
        --batch-size "${BATCH:-128}" --workers "$workers" ${RATE:+--learning-rate "$RATE"} ${TRAIN_OPTIONS:-}
    end=$((end + 30)) # rather late than without the results
    [ -n "$(trained)" ] || return
    part "loss curve" 20 "$python" "$programs/loss_curve.py" "$work/renderer.csv" -o "$out/loss.png"
    save_weights part "weights" 30
    [ -n "$(first_of "${HELD:-}"/*.h5)" ] || return 0
    set -- --steps "$steps"
    [ -z "${DISTILL:-}" ] || set -- # it paints in its own steps
    part "held-out faces" 45 "$python" "$benchmarks/renderer_sheet.py" "$(trained)" "$HELD"/*.h5 \
        -o "$out/faces.png" --device "$device" "$@"
    [ -z "${DISTILL:-}" ] ||
        part "few steps" 45 "$python" "$benchmarks/few_steps.py" "$DISTILL" "$(trained)" --clips "$HELD"/*.h5 \
            --device "$device" ${TRUNK:+--trunk "$TRUNK"}
}
if [ "$preset" = none ] || [ -z "${CLIPS:-}" ]; then
    note "training" 0 "skipped"
else
    train
fi

finish
exit "$status"
