#!/bin/sh
# Score the default models on videos of speakers they were not trained on: from the true latents (the renderer alone) and
# from the video's own audio (the whole chain), beside the cheapest alternative, the first frame repeated.
#
#   sh examples/evaluate-default.sh FOLDER-OF-VIDEOS RESULTS
#
# RENDERER=FILE and MOTION=FILE score other weights, SIZE=N is the size of the crop that the renderer takes. RESULTS gets
# clips, latents, videos and the report, report.md and report.json. What is up to date is not made again.
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
