"""dd-eval: compares generated videos with the true ones."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.eval_networks import NO_NETWORKS, NetworkOptions
from dd_tools.cli.files import check_reports
from dd_tools.cli.options import Device
from dd_tools.cli.session import Session
from dd_tools.errors import DataError

if TYPE_CHECKING:
    from dd_tools.evaluation.run import Evaluation
    from dd_tools.evaluation.scores import ClipScores

Generated = Annotated[
    list[Path],
    typer.Argument(
        metavar="GENERATED...",
        help="Generated videos, folders of them, or one list of pairs (.tsv). Name them before --truth.",
    ),
]
Truth = Annotated[
    list[Path] | None,
    typer.Option(metavar="TRUTH...", help="True videos, or folders in which they have the same names."),
]
Json = Annotated[Path | None, typer.Option(metavar="FILE", help="Write everything as JSON.")]
Csv = Annotated[Path | None, typer.Option(metavar="FILE", help="Write one row per video and one per mean as CSV.")]
Markdown = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as Markdown.")]
Html = Annotated[Path | None, typer.Option(metavar="DIR", help="Write web pages with videos to this folder.")]
ContactSheet = Annotated[
    Path | None, typer.Option(metavar="PNG", help="Write an image with mouths of each video below those of its truth.")
]
Region = Annotated[
    str, typer.Option(metavar="lower-face|mask|full", help="Region that PSNR, SSIM, LPIPS, FID and FVD compare.")
]
Lmd = Annotated[str, typer.Option(metavar="aligned|raw", help="Mouth positions for LMD: centroids aligned, or raw.")]
Align = Annotated[
    str,
    typer.Option(metavar="strict|shortest", help="Refuse videos of different lengths, or compare their common start."),
]
Register = Annotated[
    bool, typer.Option("--register", help="Register videos framed differently from their truth instead of refusing.")
]
Baseline = Annotated[
    bool, typer.Option("--baseline", help="Also score the truth's first frame repeated, and the truth itself.")
]
FailIf = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY<NUMBER", help="Reject videos with such a score (<, <=, >, >=); can be given repeatedly."),
]
DetectorName = Annotated[
    str, typer.Option("--detector", metavar="mediapipe|face-alignment", help="Detector of facial landmarks.")
]


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
    network: NetworkOptions = NO_NETWORKS,
    baseline: Baseline = False,
    fail_if: FailIf = None,
    detector: DetectorName = "mediapipe",
    device: Device = "auto",
) -> None:
    """Compare generated videos with their truth: image quality, lip sync, lip motion and steadiness.

    Prints a table to standard output; arrows show the direction of good values. Videos that cannot be scored are
    reported, the others are scored, and the exit status is 1. So it is for videos that --fail-if rejects.
    """
    from dd_tools.evaluation.conditions import parse_conditions
    from dd_tools.evaluation.networks import open_networks
    from dd_tools.evaluation.pairs import match_pairs
    from dd_tools.evaluation.protocol import EvaluationProtocol
    from dd_tools.evaluation.report.clip_media import CLIPS
    from dd_tools.evaluation.run import Evaluation
    from dd_tools.face.detectors.registry import open_detector
    from dd_tools.formats.atomic import create_output_folder

    protocol = EvaluationProtocol(region, lmd, align, register, sync_crop=network.sync_crop)
    matching = match_pairs(generated, truth or [])
    inputs = [path for pair in matching.pairs for path in (pair.generated, pair.truth)]
    check_reports((json, csv, markdown, contact_sheet), html, inputs)
    if html:
        create_output_folder(html / CLIPS)
    networks = open_networks(network.files(), device, session.say)
    protocol = replace(protocol, lpips=networks.lpips, expert=networks.expert, given=networks.given)
    evaluation = Evaluation(
        protocol,
        open_detector(detector, device=detector_device(detector, device), report=session),
        pooled=networks.pooled,
        baseline=baseline,
        pages=html,
        conditions=parse_conditions(fail_if or [], protocol.measured),
        reporter=session,
    )
    for line in matching.missing:
        evaluation.failed.append(line)
        session.fail(line)
    session.for_each(matching.pairs, lambda pair: report_gaps(session, evaluation.score(pair)))
    if evaluation.clips:
        write_reports(evaluation, networks.notes, json, csv, markdown, html, contact_sheet)
    check_complete(evaluation)


def detector_device(detector: str, device: str) -> str:
    """The torch device of a detector. The default one needs none, and torch is slow to import."""
    from dd_tools.face.detectors.registry import DEFAULT_DETECTOR

    if (detector, device) == (DEFAULT_DETECTOR, "auto"):
        return "cpu"
    from dd_tools.nn.device import open_device

    return str(open_device(device))


def write_reports(
    evaluation: "Evaluation",
    notes: list[str],
    json: Path | None,
    csv: Path | None,
    markdown: Path | None,
    html: Path | None,
    contact_sheet: Path | None,
) -> None:
    """Print the table and write the reports that have a path. notes: lines on what could not be measured."""
    from dd_tools.cli.table import print_table
    from dd_tools.evaluation.report.contact_sheet import write_contact_sheet
    from dd_tools.evaluation.report.export import write_csv, write_json, write_markdown
    from dd_tools.evaluation.report.pages import write_pages
    from dd_tools.evaluation.report.table import table

    report = evaluation.report()
    print_table(*table(report), after=[f"signature: {report.signature}"])
    for path, write in ((json, write_json), (csv, write_csv), (markdown, write_markdown)):
        if path:
            write(report, path)
    if contact_sheet:
        write_contact_sheet(evaluation.mouths, contact_sheet)
    if html:
        write_pages(report, notes, evaluation.media, html)


def report_gaps(session: Session, clip: "ClipScores") -> None:
    """Print where no face was found and whether the video was registered.

    Fail for measures without a value, and for conditions that reject the video.
    """
    for path, missed in ((clip.truth, clip.missed_truth), (clip.generated, clip.missed_generated)):
        if missed:
            session.say(
                f"no face found in {missed} of {clip.frames} frames of '{path}': measures that need a face skip them"
            )
    if clip.registered:
        session.say(f"'{clip.generated}' is framed differently from its truth and was registered")
    for fault in clip.faults:
        session.fail(f"'{clip.generated}': {fault}")
    for line in clip.rejected:
        session.fail(f"'{clip.generated}' is rejected: {line}")


def check_complete(evaluation: "Evaluation") -> None:
    """Raise `DataError` with the number of videos that were not scored, only partly, or rejected."""
    count = len(evaluation.failed) + len(evaluation.mouths)
    partly = sum(bool(clip.faults) for clip in evaluation.clips if clip.generated)
    parts = [f"{len(evaluation.failed)} of {count} videos not scored"] if evaluation.failed else []
    parts += [f"{partly} of {count} videos only partly scored"] if partly else []
    rejected = sum(bool(clip.rejected) for clip in evaluation.clips)
    parts += [f"{rejected} of {count} videos rejected"] if rejected else []
    if parts:
        raise DataError(", ".join(parts))


def repeat_option(arguments: list[str], option: str) -> list[str]:
    """Repeat `option` before each further value after it, as in ``--truth a b c``; typer takes one value per option.

    The word right after `option` is a value, whatever it looks like; after ``--`` there are no options.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    repeated, is_value, before = [], False, ""
    for word in arguments[:end]:
        is_first = before == option
        if word.startswith("-") and not is_first:
            is_value = word == option
        elif is_value and not is_first:
            repeated.append(option)
        repeated.append(word)
        before = "" if is_first else word
    return repeated + arguments[end:]


_run = console_command("dd-eval", evaluate)


def run() -> None:
    """The console script."""
    sys.argv[1:] = repeat_option(sys.argv[1:], "--truth")
    _run()
