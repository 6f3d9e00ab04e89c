#!/bin/sh
# Score published outputs of the methods in the paper and print the numbers beside those of its Table 1.
#
#   sh examples/table1.sh FOLDER [RESULTS]
#
# FOLDER contains a folder of videos for each method (wav2lip, pcavs, iplap, daetalker, diffdub; missing ones are skipped)
# and the true videos, with the same names, in gt. Scores and web pages are written to RESULTS (./table1-results).
# LPIPS_TRUNK=FILE and SYNCNET=FILE name the weights that LPIPS and LSE need.
#
# The true videos are also dubbed with their own audio by the models that ship (dd_tools), and by those of preset small
# whose weights SMALL_RENDERER=FILE and SMALL_MOTION=FILE name (dd_tools small). As in the paper, references of the
# speaker are frames of the same video. The renderer that ships also paints from such frames, none of them within a second
# of the painted one if the video is long enough (dd_tools/warp/references.py). dd_tools/weights/README.md names the videos
# that they were trained on, which prove little. Videos in RESULTS that are up to date are not made again.
#
# Below the table the paper's methods stand in their order here and in the paper.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: table1.sh FOLDER [RESULTS]" >&2
    exit 2
fi
folder=$(CDPATH='' cd -- "$1" && pwd) results=${2:-table1-results}
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "$results"
rm -f "$results/scores.csv"

# reconstruct NAME [OPTION...]: dub the true videos with their own audio.
reconstruct() {
    name=$1
    shift
    mkdir -p "$results/$name"
    printf 'video\taudio\toutput\n' > "$results/$name.tsv"
    for video in "$folder/gt"/*.*; do
        stem=$(basename "$video")
        printf '%s\t%s\t%s\n' "$video" "$video" "$name/${stem%.*}.mp4" >> "$results/$name.tsv"
    done
    dd-dub --batch "$results/$name.tsv" --resume "$@"
}
reconstruct dd_tools
[ -z "${SMALL_RENDERER:-}" ] || reconstruct dd_tools-small --renderer "$SMALL_RENDERER" --motion \
    "${SMALL_MOTION:?names the motion model that belongs to SMALL_RENDERER}"

# PC-AVS and DAE-Talker frame the face differently; --register aligns it with the truth's and leaves the others unchanged.
set --
for method in "$folder/wav2lip" "$folder/pcavs" "$folder/iplap" "$folder/daetalker" "$folder/diffdub" \
    "$results/dd_tools" ${SMALL_RENDERER:+"$results/dd_tools-small"}; do
    [ -d "$method" ] && set -- "$@" "$method"
done
status=0
dd-eval "$@" --truth "$folder/gt" --register --baseline --csv "$results/scores.csv" --json "$results/scores.json" \
    --html "$results" ${LPIPS_TRUNK:+--lpips-trunk "$LPIPS_TRUNK"} ${SYNCNET:+--syncnet "$SYNCNET"} || status=$?
[ -f "$results/scores.csv" ] || exit "$status"

awk -F, -f "$root/published.awk" - "$results/scores.csv" <<'PUBLISHED'
wav2lip,Wav2Lip,26.12,0.83,0.066,7.48,7.84,1.10
pcavs,PC-AVS,22.15,0.68,0.058,6.66,8.69,2.03
iplap,IP-LAP,26.05,0.84,0.058,8.78,5.59,0.79
daetalker,DAE-Talker,17.81,0.47,0.129,8.90,6.15,2.78
(truth unchanged),truth,-,1,-,6.73,9,0
diffdub,DiffDub,28.18,0.87,0.035,8.16,7.10,0.95
dd_tools,dd_tools
dd_tools-small,dd_tools small
PUBLISHED
exit "$status"
