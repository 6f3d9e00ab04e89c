"""dd-prep: videos or pictures in, clips out."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.common import NoHistory, Resume, Session, console_command, is_up_to_date, plan_outputs
from dd_tools.errors import UsageError
from dd_tools.face.settings import PrepSettings

Videos = Annotated[list[Path], typer.Argument(metavar="VIDEO|IMAGE...", help="Cut the speaker out of these.")]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="CLIP.h5|DIR", help="Write the clip here, several into a folder.")
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


def prep(
    session: Session,
    videos: Videos,
    output: Output,
    size: Size = PrepSettings.size,
    crop: Crop = PrepSettings.crop,
    fps: Fps = "source",
    mask: Mask = PrepSettings.mask,
    landmarks: Landmarks = None,
    detector: DetectorName = "auto",
    resume: Resume = False,
    no_history: NoHistory = False,
) -> None:
    """Find and follow one speaker, cut out the face, and write clips for the other commands.

    A picture becomes a clip of one frame. Frames without a usable face are listed and later pass through untouched.
    """
    from dd_tools.face.landmarks import open_detector
    from dd_tools.face.preparation import prepare_clip

    settings = PrepSettings(size=size, crop=crop, mask=mask, fps=_frame_rate(fps))
    pairs = plan_outputs(videos, output, ".h5")
    if landmarks and len(pairs) > 1:
        raise UsageError(f"--landmarks is for one video, got {len(pairs)}")
    extra = [landmarks] if landmarks else []
    finder = None if landmarks else open_detector(detector, say=session.say)

    def prepare_one(pair: tuple[Path, Path]) -> None:
        video, clip = pair
        if resume and is_up_to_date(clip, video, *extra):
            session.say(f"'{clip}' is up to date")
            return
        report = prepare_clip(
            video, clip, settings, detector=finder, landmarks_path=landmarks, progress=session.progress,
            history=session.history([video, *extra], wanted=not no_history),
        )  # fmt: skip
        for line in describe(report, video):
            session.say(line)

    session.for_each(pairs, prepare_one)


def describe(report, video: Path) -> list[str]:
    """A `PrepReport` in lines: the count, then what was damaged, then every span that cannot be dubbed."""
    from dd_tools.face.usability import REASONS

    lines = [f"'{video}': {report.usable} of {report.frames} frames usable"]
    if report.damage:
        lines.append(report.damage)
    for span in report.unusable_spans:
        lines.append(
            f"'{video}': {span.start:.2f}-{span.end:.2f} s (frames {span.first}-{span.last}): {REASONS[span.status]}"
        )
    return lines


def _frame_rate(text: str) -> float | None:
    if text == "source":
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"unknown frame rate '{text}', expected source or a number") from None


run = console_command("dd-prep", prep)
