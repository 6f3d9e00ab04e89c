#!/bin/sh
# Dub a video with driving audio, stage by stage, as dd-dub does in one process.
#
#   sh examples/dub.sh VIDEO|IMAGE AUDIO OUTPUT.mp4
#
# RENDERER=FILE and MOTION=FILE are your own weights, SIZE=N is the crop size of that renderer.
set -eu

if [ $# -ne 3 ]; then
    echo "usage: dub.sh VIDEO|IMAGE AUDIO OUTPUT.mp4" >&2
    exit 2
fi
video=$1 audio=$2 output=$3

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# Track and crop the face, and encode it into the reference latents.
dd-prep "$video" -o "$folder/clip.h5" ${SIZE:+--size "$SIZE"}
dd-encode "$folder/clip.h5" -o "$folder/latents.npy" ${RENDERER:+--renderer "$RENDERER"}

# Audio to speech features to motion to video. Only arrays go through the pipes. If a stage fails, the stages after it
# read an empty pipe and fail too, so the exit status of the last stage is that of all.
dd-audio "$audio" -o - ${MOTION:+--weights "$MOTION"} |
    dd-generate - -o - --reference "$folder/latents.npy" ${MOTION:+--motion "$MOTION"} |
    dd-render "$folder/clip.h5" --latents - --audio "$audio" -o "$output" ${RENDERER:+--renderer "$RENDERER"}
