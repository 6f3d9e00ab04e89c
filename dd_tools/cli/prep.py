"""dd-prep: videos or images to clips."""

import math
from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.files import check_not_input, plan_outputs
from dd_tools.cli.options import Device, NoHistory
from dd_tools.cli.session import Session
from dd_tools.errors import UsageError
from dd_tools.face.settings import ALL, PrepSettings

Videos = Annotated[list[Path], typer.Argument(metavar="VIDEO|IMAGE...", help="Videos or images to prepare.")]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="CLIP.h5|DIR", help="Output clip, or a folder for several."),
]
Face = Annotated[
    str,
    typer.Option(
        metavar="prominent|largest|center|speaking|N[,N...]|all",
        help="Face to dub, by a rule or by its number from --list-faces.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(metavar="X,Y", help="Point in pixels: dub the face that is first detected there."),
]
ListFaces = Annotated[
    Path | None,
    typer.Option(metavar="SHEET.png", help="Write an image of all faces with their numbers, and no clip."),
]
Size = Annotated[int, typer.Option(metavar="N", help="Side of the crop, in pixels.")]
Crop = Annotated[
    str,
    typer.Option(
        metavar="face|head",
        help="Framing: a tight crop that moves and rotates with the face, or a fixed one of head and shoulders.",
    ),
]
Fps = Annotated[
    str, typer.Option(metavar="source|N", help="Frame rate to resample to, in frames per second, or 'source'.")
]
Mask = Annotated[
    str,
    typer.Option(metavar="steady|paper", help="Region to repaint: an ellipse fixed to the head, or along the jaw."),
]
Landmarks = Annotated[
    Path | None,
    typer.Option(metavar="FILE.npy", help="Landmarks (T, 68, 2) in frame pixels, to use instead of a detector."),
]
DetectorName = Annotated[str, typer.Option("--detector", metavar="mediapipe|face-alignment", help="Landmark detector.")]
Deinterlace = Annotated[
    bool, typer.Option("--deinterlace", help="Make whole frames of interlaced ones, as many as before.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Skip clips of the same video and options; continue an interrupted run.")
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
    deinterlace: Deinterlace = False,
    detector: DetectorName = "mediapipe",
    device: Device = "auto",
    resume: Resume = False,
    no_history: NoHistory = False,
) -> None:
    """Track a speaker, or all, through a video, crop the face, and write clips for the other commands.

    An image becomes a clip of one frame. Frames without a usable face are listed; they later pass through unchanged.
    """
    from dd_tools.face.preparation import prepare_video, report_lines
    from dd_tools.media.opening import check_input
    from dd_tools.pipeline.prepared import is_prepared

    settings = PrepSettings(size, crop, mask, _parse_fps(fps), face, parse_point(at), deinterlace)
    if list_faces:
        _check_listing(videos, output, list_faces, landmarks)
        _list_faces(session, videos[0], list_faces, settings, _open_detector(detector, device, session))
        return
    pairs = _plan(videos, output, settings, landmarks)
    opened = None if landmarks else _open_detector(detector, device, session)
    landmark_files = [landmarks] if landmarks else []

    def prepare_one(pair: tuple[Path, Path]) -> None:
        video, clip = pair
        check_input(video)
        if resume and is_prepared(clip, video, settings, detector=opened, landmarks=landmarks):
            session.say(f"'{clip}' is up to date")
            return
        history = session.history([video, *landmark_files], wanted=not no_history)
        reports = prepare_video(
            video, clip, settings, detector=opened, landmarks_path=landmarks, resume=resume, history=history,
            report=session,
        )  # fmt: skip
        for path, report in reports.items():
            for line in report_lines(report, path if settings.face == ALL else video):
                session.say(line)

    session.for_each(pairs, prepare_one)


def _open_detector(name: str, device: str, session: Session):
    """The detector. Raises `UsageError` for a GPU and a detector that cannot use one."""
    from dd_tools.face.detectors.registry import FACE_ALIGNMENT, open_detector

    if name != FACE_ALIGNMENT:
        if device not in ("auto", "cpu"):
            raise UsageError("only --detector face-alignment computes on a GPU; leave out --device")
        return open_detector(name, report=session)
    from dd_tools.nn.device import open_device

    return open_detector(name, device=str(open_device(device)), report=session)


def _plan(
    videos: list[Path], output: Path | None, settings: PrepSettings, landmarks: Path | None
) -> list[tuple[Path, Path]]:
    """Pair each video with its clip; with ``--face all``, with the clip of face 0. Raises `UsageError`."""
    if output is None:
        raise UsageError("missing option '-o' / '--output'")
    if landmarks and len(videos) > 1:
        raise UsageError(f"--landmarks needs exactly one video, got {len(videos)}")
    if landmarks and (settings.at or settings.face != PrepSettings.face):
        raise UsageError("--landmarks cannot be combined with --face or --at")
    if settings.face != ALL:
        return plan_outputs(videos, output, ".h5")
    if not output.is_dir():
        raise UsageError(f"'{output}' is not an existing folder, which --face all needs")
    return plan_outputs(videos, output, "-0.h5")


def _check_listing(videos: list[Path], output: Path | None, sheet: Path, landmarks: Path | None) -> None:
    """Raise `UsageError` unless the options make sense with ``--list-faces``."""
    if output or landmarks:
        raise UsageError(f"--list-faces cannot be combined with {'--output' if output else '--landmarks'}")
    if len(videos) > 1:
        raise UsageError(f"--list-faces needs exactly one video, got {len(videos)}")
    if sheet.suffix.lower() != ".png":
        raise UsageError(f"--list-faces needs a file name that ends in .png, got '{sheet}'")
    check_not_input(sheet, videos[0])


def _list_faces(session: Session, video: Path, sheet: Path, settings: PrepSettings, detector) -> None:
    """Draw the faces of `video` to the image `sheet`."""
    from dd_tools.face.preparation import list_faces

    count = len(list_faces(video, sheet, settings, detector=detector, report=session))
    session.say(f"'{video}': {count} face{'s' * (count != 1)}, numbered in '{sheet}'")


def parse_point(text: str | None) -> tuple[float, float] | None:
    """The value of ``--at``: x and y in pixels; None stays None. Raises `UsageError` for anything but two finite
    numbers.
    """
    if text is None:
        return None
    try:
        x, y = map(float, text.split(","))
    except ValueError:
        x = y = math.nan
    if not (math.isfinite(x) and math.isfinite(y)):
        raise UsageError(f"unknown point '{text}', expected X,Y in pixels, such as 640,360")
    return x, y


def _parse_fps(text: str) -> float | None:
    """The value of ``--fps``, None for ``source``. Raises `UsageError`."""
    if text == "source":
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"unknown frame rate '{text}', expected source or a number") from None


run = console_command("dd-prep", prep)
