"""A video prepared in another thread, while this one loads the models."""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.preparation import prepare_clip, report_lines
from dd_tools.face.recorded_detector import RecordedDetector
from dd_tools.face.settings import PrepSettings
from dd_tools.formats.parts import is_finished, mark_finished
from dd_tools.reporting import Reporter

CLIP = "clip.h5"  # file in the folder of a run

Step = TypeVar("Step")


class Preparation:
    """Writes the clip of `video` to the file `CLIP` in `folder`, unless an earlier run did.

    Use it as a context manager. If the context is left with an exception, the work stops at the next frame.
    """

    def __init__(self, video: Path, folder: Path, settings: PrepSettings, report: Reporter):
        self._pool, self._report = ThreadPoolExecutor(1), _Quiet(report)
        self._work = None if is_finished(folder / CLIP) else (video, folder, settings, self._report)

    def __enter__(self) -> "Preparation":
        self._done = self._pool.submit(_prepare, *self._work) if self._work else None
        return self

    def __exit__(self, *error: object) -> None:
        if error[0]:
            self._report.stopped.set()
        self._pool.shutdown()

    def wait(self) -> None:
        """Return when the clip is written. Raises what `prepare_clip` raises."""
        self._report.show()
        if self._done:
            self._done.result()


class _Quiet:
    """Keeps messages and shows no progress until `show` is called, so that an error of the models stands alone.

    Once `stopped` is set, progress ends with an exception: signals only reach the main thread.
    """

    def __init__(self, report: Reporter):
        self.stopped, self._shown = threading.Event(), threading.Event()
        self._report, self._lines = report, list[str]()

    def say(self, message: str) -> None:
        """See `Reporter.say`."""
        self._lines.append(message)
        if self._shown.is_set():
            self.show()

    def show(self) -> None:
        """Pass on what was kept, and from now on everything."""
        self._shown.set()
        while self._lines:
            self._report.say(self._lines.pop(0))

    def progress(self, steps: Iterable[Step], total: int | None, label: str) -> Iterator[Step]:
        """See `Reporter.progress`."""
        steps, done = self._unless_stopped(steps), 0
        while not self._shown.is_set():
            step = next(steps, None)
            if step is None:
                return
            yield step
            done += 1
        yield from self._report.progress(steps, None if total is None else total - done, label)

    def _unless_stopped(self, steps: Iterable[Step]) -> Iterator[Step]:
        for step in steps:
            if self.stopped.is_set():
                raise KeyboardInterrupt
            yield step


def _prepare(video: Path, folder: Path, settings: PrepSettings, report: Reporter) -> None:
    detector = open_detector(report=report)
    with RecordedDetector(detector, folder / f"detections-{detector.name}-{detector.version}") as recorded:
        result = prepare_clip(video, folder / CLIP, settings, detector=recorded, report=report)
    mark_finished(folder / CLIP)
    for line in report_lines(result, video):
        report.say(line)
