#!/bin/sh
#SBATCH --job-name=hdtf
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=12:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
# HDTF's videos to clips and speech features: sbatch --array=1-40 examples/hdtf/prepare.sh LISTS WORK
#
# LISTS is the folder HDTF_dataset of https://github.com/MRzzm/HDTF. Every task downloads its share of the videos to
# WORK/videos, cuts their clips to WORK/cut, and prepares these: WORK/clips and WORK/speech. What exists is not made again.
# FETCH is a command that is called with a link and a file, to use in place of yt-dlp; PREP and AUDIO are options for
# dd-prep and dd-audio, to use in place of those that match the paper.
set -eu
lists=$1 work=$2
. "${DD_SLURM:-examples/slurm}/task.sh"
: "${PREP=--crop head --size 256 --mask paper}" "${AUDIO=--model TencentGameMate/chinese-hubert-large}"
cut() { python3 "${DD_SLURM:-examples/slurm}/../hdtf/cut.py" "$@"; }

mkdir -p "$work/videos" "$work/cut" "$work/clips" "$work/speech"
names=
while read -r name link; do
    video=$work/videos/$name.mp4 part=$work/videos/.$name.part.mp4
    [ "$name" ] || continue
    names="$names $name"
    [ -e "$video" ] && continue
    if [ "${FETCH:-}" ]; then
        $FETCH "$link" "$part"
    else
        yt-dlp -f 'bv*[height<=2160]+ba/b' --merge-output-format mp4 -o "$part" "$link"
    fi < /dev/null && mv "$part" "$video" || { echo "prepare.sh: cannot get '$name' from $link" >&2; failed=1; }
done << END
$(cut "$lists" | share)
END

[ "$names" ] || exit 0
cut "$lists" "$work/videos" "$work/cut" $names || failed=1
set --
for name in $names; do
    for clip in "$work/cut/$name"_*.mp4; do
        [ ! -e "$clip" ] || set -- "$@" "$clip"
    done
done
if [ $# -gt 0 ]; then
    step dd-prep "$@" -o "$work/clips" --resume $PREP
    step dd-audio "$@" -o "$work/speech" --resume $AUDIO
fi
exit "$failed"
