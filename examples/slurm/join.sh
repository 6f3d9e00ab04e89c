#!/bin/sh
#SBATCH --job-name=dd-join
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=01:00:00
#SBATCH --requeue
# Join the parts of a long video, see split.sh: join.sh CLIP.h5 MOTION.npy VIDEO AUDIO OUTPUT.mp4 FOLDER
set -eu
exec python3 "$DD_EXAMPLES/slurm/join.py" "$1" "$2" --source "$3" --audio "$4" -o "$5" "$6"/*.mp4
