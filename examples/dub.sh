#!/bin/sh
# Dub a video stage by stage. For a portrait, and for audio as long as the video, the frames are those of dd-dub. For other
# audio dd-dub gives dd-audio the video's length, with --duration.
#
#   sh examples/dub.sh VIDEO|IMAGE AUDIO OUTPUT.mp4
#
# RENDERER=FILE and MOTION=FILE are other weights, SIZE=N is the size of the crop that the renderer takes.
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

# The clip of the face, and its latents.
dd-prep "$video" -o "$folder/clip.h5" ${SIZE:+--size "$SIZE"}
dd-encode "$folder/clip.h5" -o "$folder/latents.npy" ${RENDERER:+--renderer "$RENDERER"}

# Audio to speech features to motion to frames. Only arrays go through the pipes. When a stage fails, the ones after it get
# an empty pipe and fail too, so the status of the last one is the status of all.
dd-audio "$audio" -o - ${MOTION:+--weights "$MOTION"} |
    dd-generate - -o - --reference "$folder/latents.npy" ${MOTION:+--motion "$MOTION"} |
    dd-render "$folder/clip.h5" --latents - --source "$video" --audio "$audio" -o "$output" \
        ${RENDERER:+--renderer "$RENDERER"}
