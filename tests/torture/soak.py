"""One long video, dubbed with the shipped models while it is killed and resumed: memory, audio drift, same bytes.

The video is the astronaut speaking, looped; the driving audio is that of `examples`, looped. An uninterrupted run gives
the bytes that the resumed one must have, and its time sets the moments of the kills.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import ffmpeg
import numpy as np

from dd_tools.media.audio import SAMPLE_RATE, read_audio
from dd_tools.media.ffmpeg import ffmpeg_path
from dd_tools.media.video import read_frames
from torture.material import write_talk

AUDIO = Path(__file__).parents[2] / "examples" / "kennedy.flac"
MEMORY_LIMIT = 1.2 * 2**30  # bytes, of the process and without its children
GROWTH_LIMIT = 0.1e9  # bytes between the medians of the third and the fourth quarter of the run, which paint
FRAME = 1 / 25  # seconds
WINDOW = 4  # seconds of audio in which a drift is measured
LOOPED = 50  # frames
SCRIPT = "from commands import console_script; console_script('dd-dub')()"


class Dubbing:
    """A run of dd-dub in a new interpreter. samples: its memory twice a second, see `_memory_of`."""

    def __init__(self, folder: Path, output: str, resume: bool = False):
        arguments = ["talk.mp4", "speech.flac", "-o", output, "-q", *(["--resume"] if resume else [])]
        self.samples: list[tuple[int, int]] = []
        self.start = time.monotonic()
        self._process = subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], cwd=folder, start_new_session=True)

    def run(self, until: Callable[[float], bool] = lambda seconds: False) -> bool:
        """Wait for the end; False if it was killed, when `until`, of the seconds that it has run, is true."""
        while self._process.poll() is None:
            if until(time.monotonic() - self.start):
                os.kill(self._process.pid, signal.SIGKILL)
                self._process.wait()
                return False
            self.samples.append(_memory_of(self._process.pid))
            time.sleep(0.5)
        if self._process.returncode:
            raise RuntimeError(f"dd-dub ends with exit status {self._process.returncode}")
        return True


def soak(folder: Path, seconds: float, width: int, kills: int, seed: int) -> int:
    """Print what was measured, a line each; returns 1 if a limit is exceeded or the bytes differ."""
    _write_inputs(folder, seconds, width)
    whole = Dubbing(folder, "whole.mp4")
    whole.run()
    duration = time.monotonic() - whole.start
    print(f"{seconds:.0f} s of video, {width} px wide, dubbed without interruption in {duration:.0f} s")
    runs = _killed_and_resumed(folder, duration, kills, random.Random(seed))
    peak, own = (max(sample[kind] for run in (whole, *runs) for sample in run.samples) for kind in (0, 1))
    growth = _growth([resident for resident, _ in whole.samples])
    drift = _drift(folder / "killed.mp4", folder / "speech.flac", seconds)
    is_same = (folder / "whole.mp4").read_bytes() == (folder / "killed.mp4").read_bytes()
    print(f"killed {len(runs) - 1} times; the bytes are {'the same' if is_same else 'different'}")
    if not is_same:
        print(f"the decoded frames are {'the same' if _same_frames(folder) else 'different'}")
    print(f"peak memory {peak / 1e6:.0f} MB, without mapped files such as libraries {own / 1e6:.0f} MB")
    print(f"growth {growth / 1e6:+.0f} MB; audio drift {drift * 1000:.1f} ms")
    left = sorted(path.name for path in folder.iterdir() if path.name.startswith((".", "killed.mp4.", "whole.mp4.")))
    print(f"left behind: {', '.join(left) or 'nothing'}")
    return int(
        not is_same or peak > MEMORY_LIMIT or growth > GROWTH_LIMIT or drift >= FRAME or "killed.mp4.parts" in left
    )


def _killed_and_resumed(folder: Path, duration: float, kills: int, chance: random.Random) -> list[Dubbing]:
    """The runs that it takes to write ``killed.mp4``, of which all but the last are killed.

    A kill comes after at most twice the mean share of the whole, so that all of them find something to kill.
    """
    runs = []
    for _ in range(kills):
        moment = chance.uniform(0, 2 * duration / (kills + 1))
        runs.append(Dubbing(folder, "killed.mp4", resume=bool(runs)))
        if runs[-1].run(lambda seconds, moment=moment: seconds > moment):
            return runs
    runs.append(Dubbing(folder, "killed.mp4", resume=True))
    runs[-1].run()
    return runs


def _write_inputs(folder: Path, seconds: float, width: int) -> None:
    """``talk.mp4``, 16:9 with the astronaut in the middle, and ``speech.flac``, of this duration."""
    height = width * 9 // 16 // 2 * 2
    short = write_talk(folder / "short.mp4", LOOPED, AUDIO, shortest=None)
    for source, target, options in (
        (short, "talk.mp4", {"vf": f"scale=-2:{height},pad={width}:{height}:-1:0,format=yuv420p", "an": None}),
        (AUDIO, "speech.flac", {}),
    ):
        looped = ffmpeg.input(str(source), stream_loop=-1).output(str(folder / target), t=seconds, **options)
        subprocess.run(looped.compile(cmd=[ffmpeg_path(), "-v", "error", "-nostdin", "-y"]), check=True)


def _memory_of(pid: int) -> tuple[int, int]:
    """Resident memory of a process, and how much of it is not that of mapped files, in bytes; 0 if it has ended."""
    try:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return tuple(int(lines[name].split()[0]) << 10 for name in ("VmRSS", "RssAnon"))
    except (OSError, KeyError):
        return 0, 0


def _growth(samples: list[int]) -> float:
    """By how much the median of the fourth quarter exceeds that of the third."""
    quarter = len(samples) // 4
    if not quarter:
        return 0.0
    return float(np.median(samples[-quarter:]) - np.median(samples[-2 * quarter : -quarter]))


def _drift(video: Path, audio: Path, seconds: float) -> float:
    """The largest of three times in seconds: by how much the audio is shifted against the driving audio at the
    beginning and at the end, and by how much the last frame ends before or after the audio."""
    made, driving = read_audio(video), read_audio(audio)
    window = WINDOW * SAMPLE_RATE
    shifts = []
    for start in (0, int(seconds * SAMPLE_RATE) - 2 * window):
        start = max(start, 0)
        one, other = (sound[start : start + window] for sound in (made, driving))
        size = 2 * window
        likeness = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)), size)
        shift = int(np.argmax(likeness))
        shifts.append(abs(shift - size if shift > window else shift) / SAMPLE_RATE)
    last = max(frame.pts for frame in read_frames(video))
    return max(*shifts, abs(last + FRAME - min(len(driving) / SAMPLE_RATE, seconds)))


def _same_frames(folder: Path) -> bool:
    """Whether both videos decode to the same frames."""
    pairs = zip(*(read_frames(folder / f"{name}.mp4") for name in ("whole", "killed")), strict=True)
    return all(np.array_equal(one.image, other.image) for one, other in pairs)
