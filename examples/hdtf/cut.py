"""Cut HDTF's clips, at 25 frames per second, out of the videos, which HDTF publishes as links.

usage: cut.py LISTS                         print name and link of every video, tab-separated
       cut.py LISTS VIDEOS CLIPS [NAME...]   cut the videos in the folder VIDEOS (NAME.mp4), or only those that are
                                             named, into clips in the folder CLIPS

LISTS is the folder HDTF_dataset of https://github.com/MRzzm/HDTF. A clip is named as the authors of DiffDub name it:
RD_Radio34_006 is the seventh of video Radio34 in the lists that begin with RD. Clips that exist are not cut again.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dd_tools.formats.atomic import atomic_output
from dd_tools.media.ffmpeg import ffmpeg_path

SUBSETS = ("RD", "WDA", "WRA")
FRAME_RATE = 25


class Window(NamedTuple):
    """The square around the speaker, in pixels of a frame that is `frame_height` pixels high."""

    left: int
    width: int
    top: int
    height: int
    frame_height: int

    @property
    def filter(self) -> str:
        """ffmpeg's crop filter, scaled to the resolution of the downloaded video."""
        width, height, left, top = (
            f"trunc({length}*ih/{self.frame_height})" for length in (self.width, self.height, self.left, self.top)
        )
        return f"crop={width}:{height}:{left}:{top}"


class Clip(NamedTuple):
    """A clip to cut: its name, its video, start and end in seconds, and the window (None: the whole frame)."""

    name: str
    video: str
    start: int
    end: int
    window: Window | None


def videos(lists: Path) -> Iterator[tuple[str, str]]:
    """Name and link of every video, from ``RD_video_url.txt`` and so on, with lines such as ``Radio1 https://...``."""
    for subset in SUBSETS:
        for name, link in _rows(lists / f"{subset}_video_url.txt").items():
            yield f"{subset}_{name}", link[0]


def clips(lists: Path) -> Iterator[Clip]:
    """Every clip in the lists. A few clips have no window.

    The lists have lines of times (``Radio1.mp4 00:20-01:35 ...``), of windows (``Radio1_0.mp4 466 535 0 535``: left,
    width, top and height of clip 0) and of frame heights (``Radio1.mp4 720``).
    """
    for subset in SUBSETS:
        times, windows, heights = (
            _rows(lists / f"{subset}_{name}.txt") for name in ("annotion_time", "crop_wh", "resolution")
        )
        for video, spans in times.items():
            for index, span in enumerate(spans):
                numbers = [*windows.get(f"{video}_{index}", ()), *heights.get(video, ())]
                window = Window(*map(int, numbers)) if len(numbers) == 5 else None
                start, end = map(_seconds, span.split("-"))
                yield Clip(f"{subset}_{video}_{index:03}", f"{subset}_{video}", start, end, window)


def _rows(path: Path) -> dict[str, list[str]]:
    """A list as a dictionary: the first column without ``.mp4``, to the other columns."""
    columns = (line.split() for line in path.read_text().splitlines() if line.strip())
    return {name.removesuffix(".mp4"): rest for name, *rest in columns}


def _seconds(clock: str) -> int:
    """Convert ``MM:SS`` or ``HH:MM:SS`` to seconds: ``02:55`` is 175."""
    seconds = 0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return seconds


def cut(clip: Clip, folder: Path, target: Path) -> None:
    """Cut one clip out of its video in `folder`."""
    window = [clip.window.filter] if clip.window else []
    filters = ",".join([*window, f"fps={FRAME_RATE}"])
    with atomic_output(target) as temporary:
        command = [ffmpeg_path(), "-v", "error", "-y", "-ss", clip.start, "-to", clip.end]
        command += ["-i", folder / f"{clip.video}.mp4", "-vf", filters, "-c:v", "libx264", "-crf", 14]
        command += ["-pix_fmt", "yuv444p", "-c:a", "aac", temporary]
        subprocess.run(list(map(str, command)), check=True, stdin=subprocess.DEVNULL)


def main() -> int:
    if len(sys.argv) < 2 or len(sys.argv) == 3:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    lists = Path(sys.argv[1])
    if len(sys.argv) == 2:
        for name, link in videos(lists):
            print(f"{name}\t{link}")
        return 0
    return cut_all(lists, Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])


def cut_all(lists: Path, source: Path, target: Path, names: list[str]) -> int:
    """Cut the videos that are named, or all. Returns the exit status."""
    target.mkdir(exist_ok=True)
    failed = missing = 0
    for clip in clips(lists):
        if names and clip.video not in names:
            continue
        output = target / f"{clip.name}.mp4"
        if not (source / f"{clip.video}.mp4").exists():
            missing += 1
        elif not output.exists():
            try:
                cut(clip, source, output)
            except subprocess.CalledProcessError:
                failed += 1
                print(f"cut.py: cannot cut '{clip.name}'", file=sys.stderr)
    print(f"cut.py: videos of {missing} clips are missing, {failed} clips failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
