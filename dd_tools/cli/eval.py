"""dd-eval: how close generated videos come to the truth."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.options import Device
from dd_tools.cli.session import Session
from dd_tools.errors import DataError, UsageError

if TYPE_CHECKING:
    from dd_tools.evaluation.inception import FrechetDistances
    from dd_tools.evaluation.pairs import Matching, Pair
    from dd_tools.evaluation.report import Report
    from dd_tools.evaluation.run import Evaluation
    from dd_tools.evaluation.scores import ClipScores

Generated = Annotated[
    list[Path],
    typer.Argument(
        metavar="GENERATED...",
        help="Score these videos, all in these folders, or those in a list of pairs (.tsv); name them first.",
    ),
]
Truth = Annotated[
    list[Path] | None,
    typer.Option(metavar="TRUTH...", help="Compare with these; in folders the same names are pairs."),
]
Json = Annotated[Path | None, typer.Option(metavar="FILE", help="Write everything as JSON.")]
Csv = Annotated[Path | None, typer.Option(metavar="FILE", help="Write a line per video, then one per mean, as CSV.")]
Markdown = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as Markdown.")]
Html = Annotated[Path | None, typer.Option(metavar="DIR", help="Write pages to look at, with videos, to this folder.")]
ContactSheet = Annotated[Path | None, typer.Option(metavar="PNG", help="Draw mouths of each video under the truth's.")]
Region = Annotated[
    str, typer.Option(metavar="lower-face|mask|full", help="Compare this part of the pictures in PSNR, SSIM, LPIPS.")
]
Lmd = Annotated[
    str, typer.Option(metavar="aligned|raw", help="Centre mouths on each other before measuring LMD, or do not.")
]
Align = Annotated[
    str,
    typer.Option(metavar="strict|shortest", help="Refuse videos of different lengths, or compare their common start."),
]
Register = Annotated[
    bool, typer.Option("--register", help="Line up faces of videos framed unlike their truth instead of refusing them.")
]
LpipsNet = Annotated[
    str | None,
    typer.Option("--lpips", metavar="alex|vgg", help="Measure LPIPS with this trunk; download it if it is not here."),
]
LpipsTrunk = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Read the trunk of LPIPS from this file (.pth, .safetensors, .npz).")
]
SyncNetFile = Annotated[
    Path | None, typer.Option("--syncnet", metavar="FILE", help="Measure LSE with SyncNet's weights in this file.")
]
SyncCrop = Annotated[
    str, typer.Option(metavar="real|lrs", help="Show SyncNet a square around the face, or the whole frame.")
]
Fid = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Measure FID with torchvision's Inception v3 in this file.")
]
Baseline = Annotated[
    bool, typer.Option("--baseline", help="Score the truth's first frame, repeated, and the truth itself too.")
]
DetectorName = Annotated[
    str, typer.Option("--detector", metavar="auto|mediapipe|face-alignment", help="Find landmarks with this.")
]

WIDE = 400  # characters: a table that goes to a file or a pipe is not folded to a terminal's width


def evaluate(
    session: Session,
    generated: Generated,
    truth: Truth = None,
    json: Json = None,
    csv: Csv = None,
    markdown: Markdown = None,
    html: Html = None,
    contact_sheet: ContactSheet = None,
    region: Region = "lower-face",
    lmd: Lmd = "aligned",
    align: Align = "strict",
    register: Register = False,
    lpips: LpipsNet = None,
    lpips_trunk: LpipsTrunk = None,
    syncnet: SyncNetFile = None,
    sync_crop: SyncCrop = "real",
    fid: Fid = None,
    baseline: Baseline = False,
    detector: DetectorName = "auto",
    device: Device = "auto",
) -> None:
    """Measure generated videos against the truth: PSNR, SSIM, LPIPS, LMD, LSE, and what keeps those honest.

    The table goes to standard output; arrows show where good values lie. Videos that cannot be scored are named, the
    others are scored, and the exit status is 1.
    """
    from dd_tools.evaluation import report as reports
    from dd_tools.evaluation.contact_sheet import write_contact_sheet
    from dd_tools.evaluation.pages import write_pages
    from dd_tools.evaluation.pairs import match_pairs
    from dd_tools.evaluation.protocol import Protocol
    from dd_tools.evaluation.run import Evaluation
    from dd_tools.face.detectors.registry import open_detector

    protocol = Protocol(region, lmd, align, register, sync_crop=sync_crop)
    matching = match_pairs(generated, truth or [])
    check_outputs([json, csv, markdown, contact_sheet], html, matching.pairs)
    networks, frechet, notes = open_networks(lpips, lpips_trunk, syncnet, fid, device, session.say)
    run = Evaluation(
        replace(protocol, **networks),
        open_detector(detector, report=session),
        frechet=frechet,
        baseline=baseline,
        pages=html,
    )
    score_all(session, matching, run)
    if run.clips:
        report = run.report()
        print_table(report)
        for path, write in ((json, reports.write_json), (csv, reports.write_csv), (markdown, reports.write_markdown)):
            if path:
                write(report, path)
        if contact_sheet:
            write_contact_sheet(run.mouths, contact_sheet)
        if html:
            write_pages(report, notes, run.exhibits, html)
    complain(run)


def open_networks(
    lpips: str | None, trunk: Path | None, syncnet: Path | None, fid: Path | None, device: str, say: Callable
) -> tuple[dict[str, object], "FrechetDistances | None", list[str]]:
    """The networks that can be had, as fields of `Protocol`, what measures FID, and lines said on what is missing."""
    from dd_tools.evaluation.inception import FrechetDistances, Inception
    from dd_tools.evaluation.perceptual import open_lpips
    from dd_tools.evaluation.sync import PUBLIC_URL
    from dd_tools.evaluation.syncnet import SyncExpert
    from dd_tools.nn.device import open_device

    where, notes = open_device(device), []
    networks = {
        "lpips": open_lpips(lpips, trunk, where, notes.append),
        "expert": SyncExpert(syncnet, where) if syncnet else None,
    }
    if syncnet is None:
        notes.append(f"no LSE: get SyncNet's weights ({PUBLIC_URL}) and give them by --syncnet")
    elif not networks["expert"].is_public:
        notes.append(f"'{syncnet}' are not SyncNet's public weights: no other LSE can be compared with these")
    for note in notes:
        say(note)
    return networks, FrechetDistances(Inception(fid, where)) if fid else None, notes


def score_all(session: Session, matching: "Matching", run: "Evaluation") -> None:
    """Score every pair that can be scored; name the others and what could not be measured."""
    run.failed += matching.missing
    for line in matching.missing:
        session.fail(line)
    for pair in matching.pairs:
        try:
            clip = run.score(
                pair,
                lambda frames, total, pair=pair: session.progress(frames, total, str(pair.generated)),
                session.say,
            )
        except DataError as error:
            run.failed.append(str(error))
            session.fail(str(error))
            continue
        mention_gaps(session, clip)


def complain(run: "Evaluation") -> None:
    """Raise `DataError` with the number of videos that were not scored, or only in part."""
    count = len(run.failed) + len(run.mouths)
    partly = sum(bool(clip.faults) for clip in run.clips if clip.generated)
    parts = [f"{len(run.failed)} of {count} videos not scored"] if run.failed else []
    parts += [f"{partly} of {count} videos scored only in part"] if partly else []
    if parts:
        raise DataError(", ".join(parts))


def check_outputs(files: list[Path | None], folder: Path | None, pairs: "list[Pair]") -> None:
    """Fail before the work where a result could not be written or would replace an input; make the pages' folders."""
    from dd_tools.evaluation.pages import CLIPS
    from dd_tools.formats.atomic import check_output_path

    taken = {path.resolve() for pair in pairs for path in (pair.generated, pair.truth)}
    for path in filter(None, files):
        check_output_path(path)
        if path.resolve() in taken:
            raise UsageError(f"'{path}' is both input and output")
    if folder:
        try:
            (folder / CLIPS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"cannot write to '{folder}': {error.strerror.lower()}") from None


def mention_gaps(session: Session, clip: "ClipScores") -> None:
    """Say where no face was found, and what kept numbers from being measured, which is a failure."""
    for path, missed in ((clip.truth, clip.missed_truth), (clip.generated, clip.missed_generated)):
        if missed:
            session.say(
                f"no face found in {missed} of {clip.frames} frames of '{path}': what needs one leaves them out"
            )
    if clip.registered:
        session.say(f"'{clip.generated}' is framed unlike its truth: its faces were lined up")
    for fault in clip.faults:
        session.fail(f"'{clip.generated}': {fault}")


def print_table(report: "Report") -> None:
    """The scores to standard output, and the signature that says what they depend on."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from dd_tools.evaluation.report import table

    header, sections = table(report)
    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)
    for columns in columns_that_fit([header, *(row for section in sections for row in section)], console.width):
        shown = Table(box=box.SIMPLE_HEAD)
        for column in columns:
            shown.add_column(header[column], justify="right" if column else "left", no_wrap=column > 0)
        for section in sections:
            for row in section:
                shown.add_row(*(row[column] for column in columns))
            if len(section) > 1:
                shown.add_section()
        console.print(shown)
    console.print(f"signature: {report.signature}", soft_wrap=True, markup=False)


def columns_that_fit(rows: list[list[str]], width: int) -> list[list[int]]:
    """The columns of a table in groups that each fit into `width` characters, the first column in front of all."""
    widths = [2 + max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    groups = [[0]]
    for column in range(1, len(widths)):
        if len(groups[-1]) > 1 and 2 + sum(widths[one] for one in groups[-1]) + widths[column] > width:
            groups.append([0])
        groups[-1].append(column)
    return groups


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
