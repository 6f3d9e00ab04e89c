"""Cut HDTF's clips, 25 pictures a second, out of the videos it was published as links to.

usage: cut.py LISTS                  print name and link of every video, tab-separated
       cut.py LISTS VIDEOS CLIPS     cut what there is in the folder VIDEOS (NAME.mp4) into the folder CLIPS

LISTS is the folder HDTF_dataset of https://github.com/MRzzm/HDTF. A clip is named like the authors of DiffDub name it:
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
    """The square around the speaker, in pixels of a picture that is `of_height` pixels high."""

    left: int
    width: int
    top: int
    height: int
    of_height: int

    @property
    def filter(self) -> str:
        """For ffmpeg, in whatever resolution the video was found."""
        width, height, left, top = (
            f"trunc({length}*ih/{self.of_height})" for length in (self.width, self.height, self.left, self.top)
        )
        return f"crop={width}:{height}:{left}:{top}"


class Clip(NamedTuple):
    """A clip to cut: its name, the video it lies in, from and to in seconds, the window (None: the whole picture)."""

    name: str
    video: str
    start: int
    end: int
    window: Window | None


def videos(lists: Path) -> Iterator[tuple[str, str]]:
    """Name and link of every video, from ``RD_video_url.txt`` and its like: ``Radio1 https://...``."""
    for subset in SUBSETS:
        for name, link in _rows(lists / f"{subset}_video_url.txt").items():
            yield f"{subset}_{name}", link[0]


def clips(lists: Path) -> Iterator[Clip]:
    """Every clip, from the lists of times (``Radio1.mp4 00:20-01:35 ...``), windows (``Radio1_0.mp4 466 535 0 535``:
    left, width, top, height of a clip) and resolutions (``Radio1.mp4 720``). A few clips have no window.
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
    """The first column, without its suffix, to the others."""
    columns = (line.split() for line in path.read_text().splitlines() if line.strip())
    return {name.removesuffix(".mp4"): rest for name, *rest in columns}


def _seconds(clock: str) -> int:
    """``02:55`` is 175."""
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
    if len(sys.argv) not in (2, 4):
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    lists, *folders = map(Path, sys.argv[1:])
    if not folders:
        for name, link in videos(lists):
            print(f"{name}\t{link}")
        return 0
    source, target = folders
    target.mkdir(exist_ok=True)
    failed = absent = 0
    for clip in clips(lists):
        output = target / f"{clip.name}.mp4"
        if not (source / f"{clip.video}.mp4").exists():
            absent += 1
        elif not output.exists():
            try:
                cut(clip, source, output)
            except subprocess.CalledProcessError:
                failed += 1
                print(f"cut.py: cannot cut '{clip.name}'", file=sys.stderr)
    print(f"cut.py: {absent} clips without their video, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
