#!/bin/sh
# Does the source's mouth show through? Dub videos with silence, with other speech and with their own, and compare the
# lip aperture of the results with that of the source.
#
#   sh examples/leak.sh VIDEO...
#
# Other speech is that of the next video in the list, for a single video examples/kennedy.flac; SPEECH=FILE takes that
# file for all. RENDERER=FILE and MOTION=FILE score your own weights. Videos and scores go to RESULTS=FOLDER
# (./leak-results); videos that are up to date are not made again.
#
# r is the correlation of both apertures over time, amplitude the standard deviation of the result's divided by the
# source's (dd-eval(1)). The source itself has 1 in both. Good values are
#
#   silence     amplitude 0: lips that hardly move; r says little then
#   mismatched  r 0, amplitude 1: lips that move as much, but with the other speech
#   matched     r 1, amplitude 1
#
# To dub with silence is the idea of LipLeak (A. Bigata et al.: KeySync, arXiv 2505.00497, 2025): the share of frames in
# which the mouth is open nevertheless, by its aspect ratio. dd-eval has no such share. r, amplitude and the other two
# kinds of audio are this project's, and are not to be compared with values of LipLeak: a mouth that is open and still
# counts there and not here. Speech that is shorter than the video is followed by silence.
set -eu

if [ $# -eq 0 ]; then
    echo "usage: leak.sh VIDEO..." >&2
    exit 2
fi
results=${RESULTS:-leak-results}
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "$results/silence" "$results/mismatched" "$results/matched"

absolute() { # FILE
    case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s\n' "$PWD/$1" ;; esac
}
stem() { # VIDEO
    name=$(basename -- "$1")
    printf '%s\n' "${name%.*}"
}
twice=$(for video; do stem "$video"; done | sort | uniq -d)
if [ -n "$twice" ]; then
    echo "leak.sh: several videos have the same name:" $twice >&2
    exit 2
fi

# An eighth of a second at -76 dB, because dd-dub refuses audio that is silent throughout; it appends silence to the
# length of the video.
silence=$(absolute "$results/silence.wav")
[ -f "$silence" ] || "${PYTHON:-python3}" -c 'import sys, wave
with wave.open(sys.argv[1], "wb") as file:
    file.setparams((1, 2, 16000, 0, "NONE", ""))
    file.writeframes(b"\x05\x00\xfb\xff" * 1000)' "$silence"

# entry KIND VIDEO AUDIO: add it to the lists of what is to be dubbed and what is to be compared.
entry() {
    result=$1/$(stem "$2").mp4
    printf '%s\t%s\t%s\n' "$(absolute "$2")" "$(absolute "$3")" "$result" >> "$results/dub.tsv"
    printf '%s\t%s\n' "$result" "$(absolute "$2")" >> "$results/compare.tsv"
}
printf 'video\taudio\toutput\n' > "$results/dub.tsv"
: > "$results/compare.tsv"
after_last=$1
[ $# -gt 1 ] || after_last=$root/kennedy.flac
for video; do
    shift
    entry silence "$video" "$silence"
    entry mismatched "$video" "${SPEECH:-${1:-$after_last}}"
    entry matched "$video" "$video"
done

dd-dub --batch "$results/dub.tsv" --resume ${RENDERER:+--renderer "$RENDERER"} ${MOTION:+--motion "$MOTION"}
rm -f "$results/scores.json"
status=0
dd-eval "$results/compare.tsv" --json "$results/scores.json" --markdown "$results/scores.md" > /dev/null || status=$?
[ -f "$results/scores.json" ] || exit "$status"

"${PYTHON:-python3}" - "$results/scores.json" <<'END'
import json
import sys

KINDS, MEASURES = ("silence", "mismatched", "matched"), ("aperture_r", "aperture_ratio")


def text(number):
    return "-" if number is None else f"{number:.2f}"


def interval(score):
    return "-" if score["low"] is None else f"[{text(score['low'])}, {text(score['high'])}]"


def row(name, cells):
    print(f"{name:24}", *(f"{cell:>14}" for cell in cells))


def cells(scores, of):
    return [of(scores[kind][key]) if kind in scores else "-" for kind in KINDS for key in MEASURES]


report = json.load(open(sys.argv[1], encoding="utf-8"))
row("", [title for kind in KINDS for title in (f"{kind} r", "amplitude")])
row("good", ["any", "0", "0", "1", "1", "1"])
for name in dict.fromkeys(clip["clip"] for clip in report["clips"]):
    row(name[:24], cells({clip["system"]: clip for clip in report["clips"] if clip["clip"] == name}, text))
means = {one["system"]: one for one in report["systems"]}
row("mean", cells(means, lambda score: text(score["mean"])))
row("95 % interval", cells(means, interval))
END
exit "$status"
