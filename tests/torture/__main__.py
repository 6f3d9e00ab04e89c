"""python -m torture [MINUTES]: run the harness; the exit status is 1 if it found a fault."""

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from torture import crowd, disk, fuzz, kill, sandbox
from torture.bench import Bench
from torture.report import Report

KINDS: dict[str, ModuleType] = {"fuzz": fuzz, "kill": kill, "disk": disk, "crowd": crowd}
SHARES = {"fuzz": 0.4, "kill": 0.35, "disk": 0.15, "crowd": 0.1}  # of the time
SAMPLE = {"fuzz": 24, "kill": 4, "disk": 5, "crowd": 2}  # cases


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="torture.sh", description="Torture every command with tiny models.")
    parser.add_argument("minutes", nargs="?", type=float, default=30, help="Time to take.  [default: 30]")
    parser.add_argument("--seed", type=int, default=0, help="Seed of everything random.")
    parser.add_argument(
        "--only", metavar="KIND,...", default=",".join(KINDS), help="Kinds of cases: fuzz, kill, disk, crowd; or soak."
    )
    parser.add_argument("--case", type=int, help="Repeat one case of the kind of --only, and show what it did.")
    parser.add_argument("--sample", action="store_true", help="Take a few cases of each kind, instead of MINUTES.")
    parser.add_argument("--video-minutes", type=float, default=10, help="soak: length of the video.")
    parser.add_argument("--width", type=int, default=640, help="soak: width of the video in pixels.")
    parser.add_argument("--kills", type=int, default=5, help="soak: how often the dubbing is killed.")
    arguments = parser.parse_args()
    arguments.only = arguments.only.split(",")
    if unknown := [kind for kind in arguments.only if kind not in (*KINDS, "soak")]:
        parser.error(f"unknown kind '{unknown[0]}', expected {', '.join(KINDS)} or soak")
    if arguments.case is not None and (len(arguments.only) != 1 or arguments.only == ["soak"]):
        parser.error("--case needs --only with the kind of the case")
    return arguments


def cases(kind: str, arguments: argparse.Namespace, shares: float) -> Iterator[int]:
    """The numbers of the cases to run. shares: sum of those of all kinds to run."""
    end = time.monotonic() + 60 * arguments.minutes * SHARES[kind] / shares
    for case in range(SAMPLE[kind] if arguments.sample else KINDS[kind].COUNT):
        if not arguments.sample and time.monotonic() > end:
            return
        yield case


def main() -> int:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder:
        if "soak" in arguments.only:
            from torture.soak import soak

            return soak(Path(folder), 60 * arguments.video_minutes, arguments.width, arguments.kills, arguments.seed)
        sandbox.warm_up()
        bench, report = Bench(Path(folder)), Report(arguments.seed)
        if arguments.case is not None:
            (kind,) = arguments.only
            result = KINDS[kind].run(bench, arguments.seed, arguments.case)
            print(result.notes, *(result.faults or ["no fault"]), sep="\n")
            return int(bool(result.faults))
        shares = sum(SHARES[kind] for kind in arguments.only)
        with contextlib.suppress(KeyboardInterrupt):  # the table of what was done until then
            for kind in arguments.only:
                for case in cases(kind, arguments, shares):
                    report.add(kind, case, KINDS[kind].run(bench, arguments.seed, case))
        print(*report.lines(), sep="\n")
        if not bench.is_material_intact():
            print("a case changed the material outside of its folder")
        return int(not (report.is_clean and bench.is_material_intact()))


if __name__ == "__main__":
    sys.exit(main())
