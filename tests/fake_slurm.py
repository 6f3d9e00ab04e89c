"""Stand-ins for Slurm's programs, which run every job at once, in the order of submission.

sbatch notes scripts in ``submitted``, unusual options in ``options`` and failed tasks in ``failed``. scontrol notes in
``requeued`` what is queued again. squeue says that a job is running unless there is a file ``cancelled``.
"""

import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "examples" / "slurm"
PROGRAMS = {
    "sbatch": """#!/bin/sh
array=1
while :; do
    case $1 in
        --array=*) array=${1#--array=} ;;
        --parsable | --output=*) ;;
        --*) echo "$1" >> options ;;
        *) break ;;
    esac
    shift
done
echo "${1##*/}" >> submitted
id=$(wc -l < submitted)
numbers=$(echo "$array" | tr , '\\n' | while IFS=- read -r first last; do seq "$first" "${last:-$first}"; done)
export SLURM_ARRAY_TASK_MIN=$(echo "$numbers" | head -n 1) SLURM_ARRAY_TASK_MAX=$(echo "$numbers" | tail -n 1)
export SLURM_ARRAY_TASK_COUNT=$(echo "$numbers" | wc -l)
export SLURM_CPUS_PER_TASK=$(sed -n 's/^#SBATCH --cpus-per-task=//p' "$1")
for task in $numbers; do
    export SLURM_JOB_ID=$id.$task SLURM_ARRAY_TASK_ID=$task
    sh "$@" >&2 || echo "$SLURM_JOB_ID" >> failed
done
echo "$id"
""",
    "srun": """#!/bin/sh
while case $1 in --*) true ;; *) false ;; esac do shift; done
exec "$@"
""",
    "scontrol": '#!/bin/sh\necho "$*" >> requeued\n',
    "squeue": "#!/bin/sh\n[ -e cancelled ] || echo 1\n",
}


def install(folder: Path, **others: str) -> None:
    """Write them to ``bin`` in the folder, with other programs by their names."""
    (folder / "bin").mkdir()
    for name, script in (PROGRAMS | others).items():
        (folder / "bin" / name).write_text(script)
        (folder / "bin" / name).chmod(0o755)


def run(folder: Path, *command: object, **variables: str) -> subprocess.CompletedProcess:
    """Run a command in the folder, where programs are those of ``bin``, else the installed ones."""
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environment | {"PATH": path} | variables,
        capture_output=True,
        text=True,
    )
