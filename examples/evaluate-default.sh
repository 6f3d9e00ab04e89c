#!/bin/sh
# Score the default models on videos of people they were not trained on: with the true latents (the renderer alone), and
# dubbed with their own audio (all stages). The baseline is the first frame repeated. Then: how much of the source's mouth
# shows through (leak.sh), and portraits cut from the videos that speak.
#
#   sh examples/evaluate-default.sh FOLDER-OF-VIDEOS RESULTS
#
# RENDERER=FILE and MOTION=FILE score your own weights, SIZE=N is the crop size of that renderer. LPIPS_TRUNK=FILE adds
# LPIPS. PUBLISHED=FOLDER also scores outputs of other methods, in its folders wav2lip, iplap and diffdub, of those
# videos that they have. Clips, latents, videos and the results (report.md, report.json, mouths.png, METHOD.md,
# leak.txt, one-shot.txt and one-shot.png) go to RESULTS; clips, latents and videos that are up to date are not made again.
set -eu

if [ $# -ne 2 ]; then
    echo "usage: evaluate-default.sh FOLDER-OF-VIDEOS RESULTS" >&2
    exit 2
fi
videos=$1 results=$2
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
python=$(dirname -- "$(command -v dd-dub)")/python
mkdir -p "$results/clips" "$results/latents" "$results/true-latents" "$results/own-audio"

dd-prep "$videos"/*.mp4 -o "$results/clips" --resume ${SIZE:+--size "$SIZE"}
dd-encode "$results/clips"/*.h5 -o "$results/latents" --resume ${RENDERER:+--renderer "$RENDERER"}

for video in "$videos"/*.mp4; do
    name=$(basename "$video" .mp4)
    [ "$results/true-latents/$name.mp4" -nt "$results/latents/$name.npy" ] ||
        dd-render "$results/clips/$name.h5" --latents "$results/latents/$name.npy" --source "$video" \
            --audio "$video" -o "$results/true-latents/$name.mp4" ${RENDERER:+--renderer "$RENDERER"}
    [ "$results/own-audio/$name.mp4" -nt "$results/latents/$name.npy" ] ||
        dd-dub "$video" "$video" -o "$results/own-audio/$name.mp4" \
            ${RENDERER:+--renderer "$RENDERER"} ${MOTION:+--motion "$MOTION"}
done

score() { # FOLDERS... --truth VIDEOS... and options
    dd-eval "$@" --region mask ${LPIPS_TRUNK:+--lpips-trunk "$LPIPS_TRUNK"}
}
score "$results/true-latents" "$results/own-audio" --truth "$videos" --baseline \
    --markdown "$results/report.md" --json "$results/report.json" --contact-sheet "$results/mouths.png"

for method in wav2lip iplap diffdub; do
    [ -n "${PUBLISHED:-}" ] && [ -d "$PUBLISHED/$method" ] || continue
    mkdir -p "$results/$method"
    set --
    for video in "$videos"/*.mp4; do
        other=$PUBLISHED/$method/$(basename "$video")
        [ -e "$other" ] && cp "$other" "$results/$method/" && set -- "$@" "$video"
    done
    [ $# -eq 0 ] || score "$results/$method" --truth "$@" --markdown "$results/$method.md"
done

RESULTS=$results/leak PYTHON=$python sh "$root/examples/leak.sh" "$videos"/*.mp4 | tee "$results/leak.txt"
"$python" "$root/tests/benchmarks/one_shot.py" "$videos"/*.mp4 --voice "$root/examples/kennedy.flac" \
    --sheet "$results/one-shot.png" ${RENDERER:+--renderer "$RENDERER"} ${MOTION:+--motion "$MOTION"} |
    tee "$results/one-shot.txt"
