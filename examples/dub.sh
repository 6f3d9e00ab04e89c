#!/bin/sh
# Dub one video with one voice, stage by stage: the same as dd-dub, with everything in reach.
#
#   sh examples/dub.sh VIDEO|IMAGE AUDIO OUTPUT.mp4
#
# RENDERER=FILE and MOTION=FILE are weights of your own, SIZE=N is the crop that renderer takes.
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

# Where is the face, and what does it look like to the renderer?
dd-prep "$video" -o "$folder/clip.h5" ${SIZE:+--size "$SIZE"}
dd-encode "$folder/clip.h5" -o "$folder/latents.npy" ${RENDERER:+--renderer "$RENDERER"}

# Voice to features to motion to pictures. Only arrays go through the pipes. When a stage fails, the ones after it get an
# empty pipe and fail too, so the status of the last one is the status of all.
dd-audio "$audio" -o - ${MOTION:+--weights "$MOTION"} |
    dd-generate - -o - --reference "$folder/latents.npy" ${MOTION:+--motion "$MOTION"} |
    dd-render "$folder/clip.h5" --latents - --audio "$audio" -o "$output" ${RENDERER:+--renderer "$RENDERER"}
