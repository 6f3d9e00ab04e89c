#!/bin/sh
#SBATCH --job-name=dd-generate
#SBATCH --cpus-per-task=1
#SBATCH --mem=1500M
#SBATCH --time=01:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
# The motion for the rows of a list: sbatch --array=1-20 examples/slurm/generate.sh LIST.tsv WORK
set -eu
list=$1 work=$2
: "${DD_EXAMPLES:=examples}"
. "$DD_EXAMPLES/slurm/task.sh"

rows=$(columns video audio)
while IFS=$tab read -r video audio; do
    [ "$video" ] || continue
    speech=$work/speech/$(stem "$audio").npy latents=$work/latents/$(stem "$video").npy
    motion=$work/motion/$(stem "$video")/$(stem "$audio").npy
    mkdir -p -- "${motion%/*}"
    is_new "$motion" "$speech" "$latents" ${MOTION:+"$MOTION"} ||
        step dd-generate "$speech" --reference "$latents" -o "$motion" ${MOTION:+--motion "$MOTION"}
done << END
$rows
END
exit "$failed"
