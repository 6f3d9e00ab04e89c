"""dd-eval: how close generated videos come to the truth."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dd_tools.cli.common import Session, console_command
from dd_tools.errors import DataError, UsageError

if TYPE_CHECKING:
    from dd_tools.evaluation.contact_sheet import MouthRows
    from dd_tools.evaluation.pairs import Matching, Pair
    from dd_tools.evaluation.protocol import Protocol
    from dd_tools.evaluation.report import Report
    from dd_tools.evaluation.scores import ClipScores
    from dd_tools.face.landmarks import Detector

Generated = Annotated[
    list[Path],
    typer.Argument(metavar="GENERATED...", help="Score these videos, or all in these folders; name them first."),
]
Truth = Annotated[
    list[Path], typer.Option(metavar="TRUTH...", help="Compare with these; in folders the same names are pairs.")
]
Json = Annotated[Path | None, typer.Option(metavar="FILE", help="Write everything as JSON.")]
Csv = Annotated[Path | None, typer.Option(metavar="FILE", help="Write a line per video, then one per mean, as CSV.")]
Markdown = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as Markdown.")]
ContactSheet = Annotated[Path | None, typer.Option(metavar="PNG", help="Draw mouths of each video under the truth's.")]
Region = Annotated[
    str, typer.Option(metavar="lower-face|mask|full", help="Compare this part of the pictures in PSNR and SSIM.")
]
Lmd = Annotated[
    str, typer.Option(metavar="aligned|raw", help="Centre mouths on each other before measuring LMD, or do not.")
]
Align = Annotated[
    str,
    typer.Option(metavar="strict|shortest", help="Refuse videos of different lengths, or compare their common start."),
]
Baseline = Annotated[
    bool, typer.Option("--baseline", help="Score the truth's first frame, repeated, and the truth itself too.")
]
DetectorName = Annotated[
    str, typer.Option("--detector", metavar="auto|mediapipe|face-alignment", help="Find landmarks with this.")
]

WIDE = 240  # characters: a table that goes to a file or a pipe is not folded to a terminal's width


def evaluate(
    session: Session,
    generated: Generated,
    truth: Truth,
    json: Json = None,
    csv: Csv = None,
    markdown: Markdown = None,
    contact_sheet: ContactSheet = None,
    region: Region = "lower-face",
    lmd: Lmd = "aligned",
    align: Align = "strict",
    baseline: Baseline = False,
    detector: DetectorName = "auto",
) -> None:
    """Measure generated videos against the truth: PSNR, SSIM, LMD, and what keeps those honest.

    The table goes to standard output; arrows show where good values lie. Videos that cannot be scored are named, the
    others are scored, and the exit status is 1.
    """
    from dd_tools.evaluation import report as reports
    from dd_tools.evaluation.contact_sheet import write_contact_sheet
    from dd_tools.evaluation.pairs import match_pairs
    from dd_tools.evaluation.protocol import Protocol
    from dd_tools.face.landmarks import open_detector

    protocol = Protocol(region, lmd, align)
    matching = match_pairs(generated, truth)
    videos = [path for pair in matching.pairs for path in (pair.generated, pair.truth)]
    check_outputs([json, csv, markdown, contact_sheet], videos)
    eyes = open_detector(detector, say=session.say)
    clips, mouths, failed = score_all(session, matching, protocol, eyes, baseline)
    if clips:
        report = reports.Report(protocol.labels, clips, failed, protocol.signature(eyes))
        print_table(report)
        for path, write in ((json, reports.write_json), (csv, reports.write_csv), (markdown, reports.write_markdown)):
            if path:
                write(report, path)
        if contact_sheet:
            write_contact_sheet(mouths, contact_sheet)
    if failed:
        raise DataError(f"{len(failed)} of {len(failed) + len(mouths)} videos not scored")


def score_all(
    session: Session, matching: "Matching", protocol: "Protocol", detector: "Detector", baseline: bool
) -> tuple[list["ClipScores"], dict["Pair", "MouthRows"], list[str]]:
    """The scores and mouths of every pair that can be scored, and a line for each of the others, which is also said."""
    from dd_tools.evaluation.contact_sheet import MouthRows
    from dd_tools.evaluation.scoring import score_pair

    clips, mouths, failed = [], {}, list(matching.missing)
    for line in failed:
        session.fail(line)
    for pair in matching.pairs:
        rows = MouthRows()
        is_new_truth = all(clip.truth != str(pair.truth) for clip in clips)
        try:
            scores = score_pair(
                pair, protocol, detector, baseline=baseline and is_new_truth, observers=[rows], say=session.say,
                progress=lambda frames, total, pair=pair: session.progress(frames, total, str(pair.generated)),
            )  # fmt: skip
        except DataError as error:
            failed.append(str(error))
            session.fail(str(error))
            continue
        clips += scores
        mouths[pair] = rows
        mention_gaps(session, scores[0])
    return clips, mouths, failed


def check_outputs(outputs: list[Path | None], inputs: list[Path]) -> None:
    """Fail before the work where a result could not be written or would replace an input."""
    from dd_tools.formats.atomic import check_output_path

    taken = {path.resolve() for path in inputs}
    for path in filter(None, outputs):
        check_output_path(path)
        if path.resolve() in taken:
            raise UsageError(f"'{path}' is both input and output")


def mention_gaps(session: Session, clip: "ClipScores") -> None:
    """Say where no face was found; a single frame is a failure, for it leaves out every measure of motion."""
    for path, missed in ((clip.truth, clip.missed_truth), (clip.generated, clip.missed_generated)):
        if missed:
            session.say(
                f"no face found in {missed} of {clip.frames} frames of '{path}': what needs one leaves them out"
            )
    if clip.frames == 1:
        session.fail(f"only one frame to compare in '{clip.generated}': no motion to measure")


def print_table(report: "Report") -> None:
    """The scores to standard output, and the signature that says what they depend on."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from dd_tools.evaluation.report import table

    header, sections = table(report)
    shown = Table(box=box.SIMPLE_HEAD)
    for number, heading in enumerate(header):
        shown.add_column(heading, justify="right" if number else "left")
    for section in sections:
        for row in section:
            shown.add_row(*row)
        if len(section) > 1:
            shown.add_section()
    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)
    console.print(shown)
    console.print(f"signature: {report.signature}", soft_wrap=True, markup=False)


def spread(arguments: list[str], option: str) -> list[str]:
    """Repeat `option` before each value that follows it, as in ``--truth a b c``: parsers take one at a time."""
    spread_out, taking = [], False
    for before, word in zip(["", *arguments], arguments, strict=False):
        if word.startswith("-"):
            taking = word == option
        elif taking and before != option:
            spread_out.append(option)
        spread_out.append(word)
    return spread_out


_run = console_command("dd-eval", evaluate)


def run() -> None:
    """The console script."""
    sys.argv[1:] = spread(sys.argv[1:], "--truth")
    _run()
