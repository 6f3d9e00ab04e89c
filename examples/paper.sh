#!/bin/sh
# Dub with the weights that the authors of DiffDub released, in their framing, stage by stage.
#
#   sh examples/paper.sh VIDEO|IMAGE AUDIO OUTPUT.mp4                  few-shot: the first 75 frames are references
#   REFERENCES=1 sh examples/paper.sh VIDEO|IMAGE AUDIO OUTPUT.mp4     one-shot: a single reference frame
#
# WEIGHTS=FOLDER  folder with the released stage1*.ckpt and stage2*.ckpt at any depth, to which the converted weights are
#                 written; default: ./diffdub. Missing checkpoints are downloaded from the Hugging Face hub.
# HUBERT=NAME     speech model: a name on the hub or a folder with its files; default: the authors',
#                 TencentGameMate/chinese-hubert-large
# SIZE, STEPS     size of the crop in pixels and DDIM steps; default: 256 and 20, as in the paper. On a CPU, 20 steps of
#                 one frame take minutes.
set -eu

if [ $# -ne 3 ]; then
    echo "usage: paper.sh VIDEO|IMAGE AUDIO OUTPUT.mp4" >&2
    exit 2
fi
video=$1 audio=$2 output=$3
weights=${WEIGHTS:-diffdub}
repository=taocode/diffdub

checkpoint() { # STAGE
    find "$weights" -name "stage$1*.ckpt" 2>/dev/null | sort | head -n 1
}

if [ -z "$(checkpoint 1)" ] || [ -z "$(checkpoint 2)" ]; then
    echo "downloading the released checkpoints from https://huggingface.co/$repository to '$weights'"
    "$(dirname -- "$(command -v dd-import)")/python" - "$repository" "$weights" 2>/dev/null <<'PYTHON' || true
import sys

from huggingface_hub import snapshot_download

snapshot_download(sys.argv[1], allow_patterns="assets/checkpoints/stage*.ckpt", local_dir=sys.argv[2])
PYTHON
fi
for stage in 1 2; do
    if [ -z "$(checkpoint $stage)" ]; then
        echo "paper.sh: no stage$stage*.ckpt in '$weights', and the download failed: download it from" \
            "https://huggingface.co/$repository (folder assets/checkpoints) and put it there" >&2
        exit 1
    fi
done

# Convert the pickles to safetensors, once.
import() { # STAGE WEIGHTS
    [ -n "$(find "$2" -newer "$(checkpoint "$1")" 2>/dev/null)" ] || dd-import "$(checkpoint "$1")" -o "$2"
}
import 1 "$weights/renderer.safetensors"
import 2 "$weights/motion.safetensors"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# The speech features come first: if the speech model is missing, this fails before the slow steps.
dd-audio "$audio" -o "$folder/speech.npy" --model "${HUBERT:-TencentGameMate/chinese-hubert-large}" \
    --weights "$weights/motion.safetensors" || {
    echo "paper.sh: if the files of the speech model are in a folder, set HUBERT=FOLDER" >&2
    exit 1
}
dd-prep "$video" -o "$folder/clip.h5" --crop head --size "${SIZE:-256}" --mask paper
dd-encode "$folder/clip.h5" -o "$folder/latents.npy" --renderer "$weights/renderer.safetensors"
dd-generate "$folder/speech.npy" -o "$folder/motion.npy" --motion "$weights/motion.safetensors" \
    --reference "$folder/latents.npy" --references "${REFERENCES:-75}"
dd-render "$folder/clip.h5" --latents "$folder/motion.npy" --source "$video" --audio "$audio" -o "$output" \
    --renderer "$weights/renderer.safetensors" --steps "${STEPS:-20}"
