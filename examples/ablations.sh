#!/bin/sh
# The ablations of the paper's Table 2 with the paper's design at a small size (preset small): train on one folder of
# videos, reconstruct those of another folder, with other speakers, from their own audio, and score them against the
# originals.
#
#   sh examples/ablations.sh TRAINING-VIDEOS HELD-OUT-VIDEOS RESULTS
#
# Every variant is trained equally long: the renderer STEPS steps of BATCH samples, the motion model MOTION_STEPS steps
# (the preset's numbers). As in the paper, no-eyes and no-augment concern the renderer, mel and tenth the motion model;
# layer-0 to layer-4 use a single layer of the speech features in place of the weighted sum. PRESET=warp ablates the
# renderer that ships; SIZE=N is the side of the crops in pixels, 96 by default, which both of these presets take.
# RENDERER=FILE takes the renderer of the variant full from elsewhere, DTYPE=bf16 trains faster on a GPU, WORKERS=N loads
# data in N processes. SPEAKERS=FILE and DELAYS=FILE are the values of the options of dd-train-ae and dd-train-seq of
# these names, LPIPS_TRUNK=FILE and SYNCNET=FILE those of dd-eval. Weights, videos, scores.csv and report.md go to RESULTS;
# existing weights and videos are kept.
#
# At the end the scores stand beside those of the paper's Table 2, where w.s. is the weighted sum, which mel replaces, and
# the variants in their order here and in the paper.
set -eu

if [ $# -ne 3 ]; then
    echo "usage: ablations.sh TRAINING-VIDEOS HELD-OUT-VIDEOS RESULTS" >&2
    exit 2
fi
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
training=$1 held=$2 results=$3 preset=${PRESET:-small} size=${SIZE:-96} layers="0 1 2 3 4"
mkdir -p "$results/clips" "$results/held"

dd-prep "$training"/*.mp4 -o "$results/clips" --size "$size" --resume
dd-prep "$held"/*.mp4 -o "$results/held" --size "$size" --resume
for model in whisper mel; do
    mkdir -p "$results/speech-$model" "$results/held-speech-$model"
    dd-audio "$training"/*.mp4 -o "$results/speech-$model" --model $model --resume
    dd-audio "$held"/*.mp4 -o "$results/held-speech-$model" --model $model --resume
done

# Single layers of the features (L, T, D), as arrays (1, T, D).
for folder in speech held-speech; do
    "${PYTHON:-python3}" - "$results/$folder-whisper" $layers <<'END'
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
for layer in map(int, sys.argv[2:]):
    target = folder.with_name(folder.name.replace("whisper", f"layer-{layer}"))
    target.mkdir(exist_ok=True)
    for source in folder.glob("*.npy"):
        if not (target / source.name).exists():
            np.save(target / source.name, np.load(source)[layer : layer + 1])
END
done

# renderer NAME [OPTION...]: train it and encode all clips with it.
renderer() {
    name=$1 weights=$results/renderer-$1.safetensors
    shift
    mkdir -p "$results/latents-$name" "$results/held-latents-$name"
    [ -f "$weights" ] || dd-train-ae "$results/clips" -o "$weights" "$@" --preset "$preset" --resume \
        ${STEPS:+--steps "$STEPS"} ${BATCH:+--batch-size "$BATCH"} ${DTYPE:+--dtype "$DTYPE"} \
        ${WORKERS:+--workers "$WORKERS"} ${SPEAKERS:+--speakers "$SPEAKERS"}
    dd-encode "$results/clips"/*.h5 -o "$results/latents-$name" --renderer "$weights" --resume
    dd-encode "$results/held"/*.h5 -o "$results/held-latents-$name" --renderer "$weights" --resume
}

# motion NAME RENDERER FEATURES [OPTION...]: train it on that renderer's latents, reconstruct every held-out video.
motion() {
    name=$1 stage1=$2 speech=$3 model=whisper weights=$results/motion-$1.safetensors
    [ "$speech" != mel ] || model=mel
    shift 3
    [ -f "$weights" ] || dd-train-seq "$results/latents-$stage1" --speech "$results/speech-$speech" \
        --speech-model "$model" -o "$weights" "$@" --preset "$preset" --resume ${MOTION_STEPS:+--steps "$MOTION_STEPS"} \
        ${SPEAKERS:+--speakers "$SPEAKERS"} ${DELAYS:+--delays "$DELAYS"}
    mkdir -p "$results/$name"
    for clip in "$results/held"/*.h5; do
        stem=$(basename "$clip" .h5)
        [ -f "$results/$name/$stem.mp4" ] && continue
        dd-generate "$results/held-speech-$speech/$stem.npy" --motion "$weights" -o - \
            --reference "$results/held-latents-$stage1/$stem.npy" |
            dd-render "$clip" --latents - --renderer "$results/renderer-$stage1.safetensors" \
                --source "$held/$stem.mp4" --audio "$held/$stem.mp4" -o "$results/$name/$stem.mp4"
    done
}

[ -z "${RENDERER:-}" ] || cp "$RENDERER" "$results/renderer-full.safetensors"
renderer full
renderer no-eyes --no-eyes
renderer no-augment --no-augment
motion full full whisper
motion no-eyes no-eyes whisper
motion no-augment no-augment whisper
motion mel full mel
motion tenth full whisper --data-fraction 0.1
for layer in $layers; do
    motion "layer-$layer" full "layer-$layer"
done

set -- "$results/full" "$results/no-eyes" "$results/no-augment" "$results/mel" "$results/tenth"
for layer in $layers; do
    set -- "$@" "$results/layer-$layer"
done
rm -f "$results/scores.csv"
status=0
dd-eval "$@" --truth "$held" --region mask --markdown "$results/report.md" --json "$results/report.json" \
    --csv "$results/scores.csv" ${LPIPS_TRUNK:+--lpips-trunk "$LPIPS_TRUNK"} ${SYNCNET:+--syncnet "$SYNCNET"} || status=$?
[ -f "$results/scores.csv" ] || exit "$status"

awk -F, -f "$root/published.awk" - "$results/scores.csv" <<'PUBLISHED'
no-eyes,w/o eye,28.84,0.88,0.033,8.85,5.76,1.53
no-augment,w/o aug.,28.45,0.88,0.034,9.60,4.75,0.94
mel,w/o w.s.,27.48,0.86,0.040,8.40,6.50,1.90
tenth,w 1/10 data,28.12,0.87,0.033,8.34,7.01,0.97
full,ours,28.18,0.87,0.035,8.16,7.10,0.95
layer-0,layer 0
layer-1,layer 1
layer-2,layer 2
layer-3,layer 3
layer-4,layer 4
PUBLISHED
exit "$status"
