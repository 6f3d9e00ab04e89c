#!/bin/sh
#SBATCH --job-name=hdtf
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=12:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
# HDTF's videos to clips and speech features: sbatch --array=1-40%4 examples/hdtf/prepare.sh LISTS WORK
#
# LISTS is the folder HDTF_dataset of https://github.com/MRzzm/HDTF. Every task downloads its share of the videos to
# WORK/videos, cuts their clips to WORK/cut, and prepares these: WORK/clips and WORK/speech. What exists is not made again.
# FETCH is a command that is called with a link and a file, in place of yt-dlp; PREP and AUDIO are options for dd-prep and
# dd-audio, in place of those that match the paper. To run task 7 of 40 alone: TASKS=40 sbatch --array=7 ...
set -eu
lists=$1 work=$2
: "${DD_EXAMPLES:=examples}" "${FETCH=}"
: "${PREP=--crop head --size 256 --mask paper}" "${AUDIO=--model TencentGameMate/chinese-hubert-large}"
. "$DD_EXAMPLES/slurm/task.sh"

mkdir -p -- "$work/videos" "$work/cut" "$work/clips" "$work/speech" "$work/latents"
links=$(python3 "$DD_EXAMPLES/hdtf/cut.py" "$lists")
names=
while IFS=$tab read -r name link; do
    video=$work/videos/$name.mp4 part=$work/videos/$name.part.mp4
    [ "$name" ] || continue
    names="$names $name"
    [ ! -e "$video" ] || continue
    if [ "$FETCH" ]; then
        step $FETCH "$link" "$part"
    else
        step yt-dlp -f 'bv*[height<=2160]+ba/b' --merge-output-format mp4 -o "$part" "$link"
    fi
    [ "$status" != 0 ] || mv -- "$part" "$video"
done << END
$(echo "$links" | awk -v task="$task" -v tasks="$tasks" 'NR % tasks == task % tasks')
END

[ "$names" ] || exit 0
step python3 "$DD_EXAMPLES/hdtf/cut.py" "$lists" "$work/videos" "$work/cut" $names
set +f --
for name in $names; do
    for clip in "$work/cut/$name"_*.mp4; do
        [ ! -e "$clip" ] || set -- "$@" "$clip"
    done
done
if [ $# -gt 0 ]; then
    set -f
    step dd-prep "$@" -o "$work/clips" --resume $PREP
    step dd-audio "$@" -o "$work/speech" --resume $AUDIO
fi
exit "$failed"
