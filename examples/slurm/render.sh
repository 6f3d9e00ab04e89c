#!/bin/sh
#SBATCH --job-name=dd-render
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=08:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append
# The dubbed videos of a list: sbatch --array=1-20 examples/slurm/render.sh LIST.tsv WORK
set -eu
list=$1 work=$2
: "${DD_EXAMPLES:=examples}"
. "$DD_EXAMPLES/slurm/task.sh"

rows=$(columns video audio output)
while IFS=$tab read -r video audio output; do
    [ "$video" ] || continue
    clip=$work/clips/$(stem "$video").h5 motion=$work/motion/$(stem "$video")/$(stem "$audio").npy
    mkdir -p -- "${output%/*}" || failed=1
    is_new "$output" "$clip" "$motion" "$video" "$audio" ${RENDERER:+"$RENDERER"} ||
        step dd-render "$clip" --latents "$motion" --source "$video" --audio "$audio" -o "$output" --resume \
            ${RENDERER:+--renderer "$RENDERER"} ${RENDER:-}
done << END
$rows
END
exit "$failed"
