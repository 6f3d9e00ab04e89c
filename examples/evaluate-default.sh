#!/bin/sh
# Score the default models on videos of people they were not trained on: with the true latents (the renderer alone), and
# dubbed with their own audio (all stages). The baseline is the first frame repeated.
#
#   sh examples/evaluate-default.sh FOLDER-OF-VIDEOS RESULTS
#
# RENDERER=FILE and MOTION=FILE score your own weights, SIZE=N is the crop size of that renderer. Clips, latents, videos
# and the report (report.md, report.json and mouths.png) go to RESULTS; what is up to date is not made again.
set -eu

if [ $# -ne 2 ]; then
    echo "usage: evaluate-default.sh FOLDER-OF-VIDEOS RESULTS" >&2
    exit 2
fi
videos=$1 results=$2
mkdir -p "$results/clips" "$results/latents" "$results/true-latents" "$results/own-audio"

dd-prep "$videos"/*.mp4 -o "$results/clips" --resume ${SIZE:+--size "$SIZE"}
dd-encode "$results/clips"/*.h5 -o "$results/latents" --resume ${RENDERER:+--renderer "$RENDERER"}

for video in "$videos"/*.mp4; do
    name=$(basename "$video" .mp4)
    [ "$results/true-latents/$name.mp4" -nt "$results/latents/$name.npy" ] ||
        dd-render "$results/clips/$name.h5" --latents "$results/latents/$name.npy" --audio "$video" \
            -o "$results/true-latents/$name.mp4" ${RENDERER:+--renderer "$RENDERER"}
    [ "$results/own-audio/$name.mp4" -nt "$results/latents/$name.npy" ] ||
        dd-dub "$video" "$video" -o "$results/own-audio/$name.mp4" \
            ${RENDERER:+--renderer "$RENDERER"} ${MOTION:+--motion "$MOTION"}
done

dd-eval "$results/true-latents" "$results/own-audio" --truth "$videos" --region mask --baseline \
    --markdown "$results/report.md" --json "$results/report.json" --contact-sheet "$results/mouths.png"
