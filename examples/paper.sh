#!/bin/sh
# Dub with the weights that the authors of DiffDub released, in their framing, stage by stage.
#
#   sh examples/paper.sh VIDEO|IMAGE AUDIO OUTPUT.mp4                  few-shot: the first 75 frames are references
#   REFERENCES=1 sh examples/paper.sh VIDEO|IMAGE AUDIO OUTPUT.mp4     one-shot: a single reference frame
#
# WEIGHTS=FOLDER  folder with the released stage1*.ckpt and stage2*.ckpt at any depth, to which the converted weights are
#                 written; default: ./diffdub. Missing checkpoints are downloaded, if you say which ones you trust:
# REVISION=COMMIT, STAGE1=SHA256, STAGE2=SHA256
#                 the commit of https://huggingface.co/taocode/diffdub to download from, and the SHA-256 that each file must
#                 have; its page on the hub shows them. CHECKPOINTS=URL is another place with the two files.
# HUBERT=NAME     speech model: a folder with its files, or a name on the hub and a commit, NAME@COMMIT. The authors' is
#                 TencentGameMate/chinese-hubert-large.
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
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

checkpoint() { # STAGE
    find "$weights" -name "stage$1*.ckpt" 2>/dev/null | sort | head -n 1
}

# Nothing is downloaded that could be another file tomorrow.
url=${CHECKPOINTS:-https://huggingface.co/$repository/resolve/${REVISION:-}/assets/checkpoints}
download() { # STAGE SHA256
    file=stage$1_state_dict.ckpt
    if [ -z "$2" ] || [ -z "${REVISION:-}${CHECKPOINTS:-}" ]; then
        echo "paper.sh: no stage$1*.ckpt in '$weights': put it there from https://huggingface.co/$repository (folder" \
            "assets/checkpoints), or set REVISION=COMMIT, STAGE1=SHA256 and STAGE2=SHA256 to download it" >&2
        exit 1
    fi
    echo "downloading $url/$file to '$weights'"
    "$(dirname -- "$(command -v dd-import)")/python" "$root/fetch.py" "$url/$file" "$2" "$weights/$file" || exit 1
}
[ -n "$(checkpoint 1)" ] || download 1 "${STAGE1:-}"
[ -n "$(checkpoint 2)" ] || download 2 "${STAGE2:-}"

hubert=${HUBERT:-}
if ! [ -d "$hubert" ] && [ "$hubert" = "${hubert%@*}" ]; then
    echo "paper.sh: name the speech model: HUBERT=FOLDER with its files, or HUBERT=NAME@COMMIT to download it, such as" \
        "TencentGameMate/chinese-hubert-large@COMMIT" >&2
    exit 1
fi

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
dd-audio "$audio" -o "$folder/speech.npy" --model "$hubert" \
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
