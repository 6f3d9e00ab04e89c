"""Train a renderer for so many seconds, and end with the learning rate at the end of its schedule.

usage: train.py CLIPS -o RENDERER.safetensors --seconds N [--reserve 45] [--steps N] [OPTION...]

OPTIONS are those of dd-train-ae. The training first runs without an end, until it is known how long a step takes. Then
it is stopped and resumed with as many steps as fit into what is left of N seconds, less the reserve, which is for what
follows. At the end of this time it is stopped, finished or not. --steps sets the number of steps instead. Prints a
short report; the log of the losses is RENDERER.csv, and an unfinished training leaves RENDERER.state.safetensors.
"""

import argparse
import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

from dd_tools.training.state import state_path

ENDLESS = 10**9  # steps
PROBE_ROWS = 2  # of the log, which has one every 50 steps; the time between them tells that of a step
PROBE_SHARE = 0.3  # of the time, after which the probe ends even with fewer rows
SAFETY = 0.9  # of the time that is left is planned for; loaders may become slower
STATE_SECONDS = 12  # for saving the state after SIGTERM
# Exit statuses of a training that finished, saved its state, or was ended while it exited or saved.
FINE = (0, 143, -15, -9)
START = "from dd_tools.cli.train_ae import run; run()"  # dd-train-ae, also where it is not installed


def log_rows(path: Path) -> list[tuple[int, float]]:
    """Step and seconds since the start, of every row of a training log; none if there is no log."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["seconds"]]  # the last one may be half written
    return [(int(row["step"]), float(row["seconds"])) for row in rows]


def seconds_per_step(rows: list[tuple[int, float]]) -> float:
    """From the first and the last row of a log; the only one includes the first steps, which are slower.

    Infinite if there is none.
    """
    if not rows:
        return float("inf")
    (first, begin), (last, end) = rows[0] if len(rows) > 1 else (0, 0.0), rows[-1]
    return (end - begin) / (last - first)


def steps_that_fit(seconds: float, rows: list[tuple[int, float]], start: float) -> int:
    """The number of steps, those done included, for another `seconds`. start: seconds that starting takes."""
    done = rows[-1][0] if rows else 0
    return done + max(0, int((SAFETY * seconds - start) / seconds_per_step(rows)))


class Training:
    """Runs dd-train-ae with the same clips, output and options, again and again.

    Stopping it signals the process itself and not its loaders, which would die before it has saved its state.
    """

    def __init__(self, clips: Path, output: Path, options: list[str]):
        self.output, self.log = output, output.with_suffix(".csv")
        self._command = [sys.executable, "-c", START, str(clips), "-o", str(output), *options]
        self._process: subprocess.Popen | None = None
        self.interrupted = False

    def start(self, steps: int, *more: str) -> None:
        self._process = subprocess.Popen([*self._command, "--steps", str(steps), *more], start_new_session=True)

    @property
    def running(self) -> bool:
        return self._process.poll() is None and not self.interrupted

    def stop(self) -> int:
        """End it if it still runs, wait, and return its exit status; 143 if it saved its state."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(STATE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def interrupt(self, *_: object) -> None:
        """A signal handler: the loops that wait for the training end."""
        self.interrupted = True

    def wait(self, end: float, rows: int | None = None) -> None:
        """Wait until it ends, until the clock shows `end`, or until its log has `rows` rows."""
        while self.running and time.monotonic() < end and (rows is None or len(log_rows(self.log)) < rows):
            time.sleep(0.2)


def run(training: Training, seconds: float, most: int) -> tuple[int, str]:
    """Train for `seconds`, at most so many steps; returns the exit status of dd-train-ae, and a report."""
    began = time.monotonic()
    training.start(ENDLESS if most == ENDLESS else most)
    training.wait(began + (PROBE_SHARE if most == ENDLESS else 1) * seconds, PROBE_ROWS if most == ENDLESS else None)
    probed, status = time.monotonic() - began, training.stop()
    rows = log_rows(training.log)
    if training.interrupted or most < ENDLESS or status != 143 or not rows:
        return status, report(training, rows, None)
    steps = steps_that_fit(began + seconds - time.monotonic(), rows, max(0.0, probed - rows[-1][1]))
    training.start(steps, "--resume", "--allow-changes")  # the number of steps
    training.wait(began + seconds)
    return training.stop(), report(training, rows, steps)


def report(training: Training, probe: list[tuple[int, float]], steps: int | None) -> str:
    """Lines for the summary. probe: the rows of the log from which the number of steps was chosen."""
    rows = log_rows(training.log)
    done = rows[-1][0] if rows else 0
    lines = [f"{1000 * seconds_per_step(probe):.1f} ms per step."] if probe else []
    if steps:
        lines.append(f"{steps} steps were chosen.")
    finished = "finished" if training.output.exists() else "stopped before its end"
    return " ".join([*lines, f"The training was {finished}: {done} steps are done."])


def parse_options() -> tuple[argparse.Namespace, list[str]]:
    """The options of this program, and the others."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--reserve", type=float, default=45)
    parser.add_argument("--steps", type=int, default=ENDLESS)
    return parser.parse_known_args()


def main() -> int:
    options, others = parse_options()
    seconds = options.seconds - options.reserve
    if seconds <= 0:
        print(f"No time to train: {options.seconds:.0f} s are left, and {options.reserve:.0f} s are reserved.")
        return 1
    for old in (options.output, options.output.with_suffix(".csv"), state_path(options.output)):
        old.unlink(missing_ok=True)  # an old log would be taken for that of this training
    training = Training(options.clips, options.output, others)
    signal.signal(signal.SIGTERM, training.interrupt)
    status, text = run(training, seconds, options.steps)
    print(text)
    # An unfinished training is a result as well: its state holds weights.
    if status in FINE and (options.output.exists() or state_path(options.output).exists()):
        return 0
    print(f"dd-train-ae ended with exit status {status}; the log says why.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
