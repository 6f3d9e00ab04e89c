"""dd-prep: videos or pictures in, clips out."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from dd_tools import __version__
from dd_tools.cli.command import console_command
from dd_tools.cli.files import is_up_to_date, plan_outputs
from dd_tools.cli.options import NoHistory
from dd_tools.cli.session import Session
from dd_tools.errors import UsageError
from dd_tools.face.settings import ALL, PrepSettings
from dd_tools.formats.parts import file_stamp

Videos = Annotated[list[Path], typer.Argument(metavar="VIDEO|IMAGE...", help="Cut the speaker out of these.")]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="CLIP.h5|DIR", help="Write the clip here, several into a folder."),
]
Face = Annotated[
    str,
    typer.Option(
        metavar="prominent|largest|center|speaking|N[,N...]|all",
        help="Choose whose clip it is; N is from --list-faces.",
    ),
]
At = Annotated[
    str | None, typer.Option(metavar="X,Y", help="Choose the face first seen at this point, in pixels of the picture.")
]
ListFaces = Annotated[
    Path | None,
    typer.Option(metavar="SHEET.png", help="Draw all faces of the video with their numbers here, and write no clip."),
]
Size = Annotated[int, typer.Option(metavar="N", help="Cut squares of N by N pixels.")]
Crop = Annotated[
    str,
    typer.Option(
        metavar="face|head", help="Frame the face tightly and upright, or head and shoulders by one fixed square."
    ),
]
Fps = Annotated[str, typer.Option(metavar="source|N", help="Keep the video's own frames, or resample to N a second.")]
Mask = Annotated[
    str,
    typer.Option(metavar="steady|paper", help="Repaint a region that does not follow speech, or cut along the jaw."),
]
Landmarks = Annotated[
    Path | None, typer.Option(metavar="FILE.npy", help="Take landmarks (T, 68, 2) from here instead of a detector.")
]
DetectorName = Annotated[
    str, typer.Option("--detector", metavar="auto|mediapipe|face-alignment", help="Find landmarks with this.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Skip clips newer than their videos; go on with one where a killed run was.")
]


def prep(
    session: Session,
    videos: Videos,
    output: Output = None,
    face: Face = PrepSettings.face,
    at: At = None,
    list_faces: ListFaces = None,
    size: Size = PrepSettings.size,
    crop: Crop = PrepSettings.crop,
    fps: Fps = "source",
    mask: Mask = PrepSettings.mask,
    landmarks: Landmarks = None,
    detector: DetectorName = "auto",
    resume: Resume = False,
    no_history: NoHistory = False,
) -> None:
    """Find and follow one speaker, or all, cut out the faces, and write clips for the other commands.

    A picture becomes a clip of one frame. Frames without a usable face are listed and later pass through untouched.
    """
    from dd_tools.face.landmarks import open_detector
    from dd_tools.face.preparation import prepare_clip, prepare_everybody

    settings = PrepSettings(size=size, crop=crop, mask=mask, fps=_frame_rate(fps), face=face, at=parse_point(at))
    if list_faces:
        _check_listing(videos, output, list_faces, landmarks)
        _list(session, videos[0], list_faces, settings.fps, open_detector(detector, say=session.say))
        return
    pairs = _plan(videos, output, settings, landmarks)
    extra = [landmarks] if landmarks else []
    finder = None if landmarks else open_detector(detector, say=session.say)

    def prepare_one(pair: tuple[Path, Path]) -> None:
        video, clip = pair
        if resume and is_up_to_date(clip, video, *extra):
            session.say(f"'{clip}' is up to date")
            return
        common = {
            "history": session.history([video, *extra], wanted=not no_history),
            "progress": session.progress,
        }
        with _remembering(session, finder, video, clip, settings, resume) as eyes:
            if settings.face == ALL:
                reports = prepare_everybody(
                    video, lambda number: _numbered(clip, number), settings, detector=eyes, **common
                )
            else:
                reports = {clip: prepare_clip(video, clip, settings, detector=eyes, landmarks_path=landmarks, **common)}
        for path, report in reports.items():
            for line in report.lines(path if settings.face == ALL else video):
                session.say(line)

    session.for_each(pairs, prepare_one)


@contextlib.contextmanager
def _remembering(session: Session, finder, video: Path, clip: Path, settings: PrepSettings, resume: bool) -> Iterator:
    """The detector `finder`, if there is one, with what a killed run saw of the `video`."""
    from dd_tools.face.sightings import Sightings
    from dd_tools.formats.parts import parts_folder

    if finder is None:
        yield None
        return
    key = {
        "video": file_stamp(video),
        "settings": repr(settings),
        "program": [__version__, finder.name, finder.version],
    }
    with (
        parts_folder(clip, key, resume=resume, report=session) as folder,
        Sightings(finder, folder / "sightings") as eyes,
    ):
        yield eyes


def _plan(
    videos: list[Path], output: Path | None, settings: PrepSettings, landmarks: Path | None
) -> list[tuple[Path, Path]]:
    """Each video with its clip; for all faces, with the first face's."""
    if output is None:
        raise UsageError("missing option '-o' / '--output'")
    if landmarks and len(videos) > 1:
        raise UsageError(f"--landmarks is for one video, got {len(videos)}")
    if landmarks and (settings.at or settings.face != PrepSettings.face):
        raise UsageError("--landmarks are one speaker's: leave out --face and --at")
    if settings.face != ALL:
        return plan_outputs(videos, output, ".h5")
    if not output.is_dir():
        raise UsageError(f"'{output}' is not an existing folder, which --face all needs")
    return plan_outputs(videos, output, "-0.h5")


def _numbered(first: Path, number: int) -> Path:
    """The clip of face `number`, from the one of face 0: NAME-0.h5."""
    return first.with_name(f"{first.stem[:-1]}{number}{first.suffix}")


def _check_listing(videos: list[Path], output: Path | None, sheet: Path, landmarks: Path | None) -> None:
    if output or landmarks:
        raise UsageError(f"--list-faces writes no clip: leave out {'--output' if output else '--landmarks'}")
    if len(videos) > 1:
        raise UsageError(f"--list-faces is for one video, got {len(videos)}")
    if sheet.suffix.lower() != ".png":
        raise UsageError(f"'{sheet}' is no name for a PNG picture")
    if sheet.resolve() == videos[0].resolve():
        raise UsageError(f"'{sheet}' is both input and output")


def _list(session: Session, video: Path, sheet: Path, fps: float | None, detector) -> None:
    from dd_tools.face.preparation import list_faces

    tracks = list_faces(video, sheet, fps, detector=detector, progress=session.progress)
    session.say(f"'{video}': {len(tracks)} face{'s' * (len(tracks) != 1)}, numbered in '{sheet}'")


def parse_point(text: str | None) -> tuple[float, float] | None:
    """What ``--at`` means. Raises `UsageError` for anything but two numbers."""
    if text is None:
        return None
    try:
        x, y = map(float, text.split(","))
    except ValueError:
        raise UsageError(f"unknown point '{text}', expected X,Y in pixels, as in 640,360") from None
    return x, y


def _frame_rate(text: str) -> float | None:
    if text == "source":
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"unknown frame rate '{text}', expected source or a number") from None


run = console_command("dd-prep", prep)
