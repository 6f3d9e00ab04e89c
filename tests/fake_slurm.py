"""Stand-ins for Slurm's programs, which run every job at once, in the order of submission."""

import os
import subprocess
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "examples" / "slurm"
PROGRAMS = {
    "sbatch": """#!/bin/sh
count=0
while :; do
    case $1 in
        --array=*) tasks=${1#--array=1-} ;;
        --*) [ "$1" = --parsable ] || case $1 in --output=*) ;; *) echo "$1" >> options ;; esac ;;
        *) break ;;
    esac
    shift
done
echo "${1##*/}" >> submitted
id=$(wc -l < submitted)
for task in $(seq "${tasks:-1}"); do
    export SLURM_JOB_ID=$id.$task SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_COUNT=$tasks
    sh "$@" >&2 || echo "$SLURM_JOB_ID" >> failed
done
echo "$id"
""",
    "srun": """#!/bin/sh
while case $1 in --*) true ;; *) false ;; esac do shift; done
exec "$@"
""",
    "scontrol": '#!/bin/sh\necho "$*" >> requeued\n',
}


def install(folder: Path, **others: str) -> None:
    """Write them to ``bin`` in the folder, with other programs by their names."""
    (folder / "bin").mkdir()
    for name, script in (PROGRAMS | others).items():
        (folder / "bin" / name).write_text(script)
        (folder / "bin" / name).chmod(0o755)


def run(folder: Path, script: Path, *arguments: object, **variables: str) -> subprocess.CompletedProcess:
    """Run a shell script in the folder, where programs are those of ``bin``, else the installed ones."""
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    command = ["sh", str(script), *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path} | variables, capture_output=True, text=True
    )
