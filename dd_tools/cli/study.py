"""dd-study: opinion studies, from the page that raters see to the table of their scores."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dd_tools.cli.command import console_commands
from dd_tools.cli.files import check_reports
from dd_tools.cli.options import Seed
from dd_tools.cli.session import Session
from dd_tools.errors import DataError

if TYPE_CHECKING:
    from dd_tools.evaluation.study.analysis import Analysis, StudyScores

Plan = Annotated[
    Path, typer.Argument(metavar="PLAN.tsv", help="List with the columns system, clip, scenario and video.")
]
Study = Annotated[Path, typer.Option("-o", "--output", metavar="STUDY", help="New folder for the page and its videos.")]
NewKey = Annotated[
    Path | None,
    typer.Option("--key", metavar="KEY.json", help="File for the key, not for raters.  [default: STUDY.key.json]"),
]
Mode = Annotated[
    str, typer.Option(metavar="rating|preference", help="Rate one video at a time, or choose the better one of two.")
]
Raters = Annotated[int, typer.Option(min=1, max=1000, help="Number of raters, whose orders are balanced.")]
SystemsPerClip = Annotated[
    int | None,
    typer.Option(min=1, metavar="K", help="Systems, or pairs, of each clip that a rater sees.  [default: all]"),
]
KeyFile = Annotated[
    Path, typer.Option("--key", metavar="KEY.json", help="Key of the study, which dd-study build wrote.")
]
Results = Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="JSON results of raters.")]
Json = Annotated[Path | None, typer.Option(metavar="FILE", help="Write all scores as JSON.")]
Csv = Annotated[Path | None, typer.Option(metavar="FILE", help="Write every answer as a row of CSV.")]
Html = Annotated[Path | None, typer.Option(metavar="DIR", help="Write a web page with charts to this folder.")]


def build(
    session: Session,
    plan: Plan,
    output: Study,
    key: NewKey = None,
    mode: Mode = "rating",
    raters: Raters = 12,
    systems_per_clip: SystemsPerClip = None,
) -> None:
    """Build the page that raters see.

    The folder opens from disk in any browser, without a server or a network. Nothing in it tells which system made a
    video; that is in the key, which is needed to score the answers.
    """
    from dd_tools.evaluation.study.build import build_study

    build_study(
        plan, output, key=key, mode=mode, raters=raters, per_clip=systems_per_clip,
        reporter=session, fail=session.fail,
    )  # fmt: skip


def score(
    session: Session, results: Results, key: KeyFile, json: Json = None, csv: Csv = None, html: Html = None
) -> None:
    """Score the answers of raters.

    Prints a table laid out as the paper's Table 3, with and without the raters who did not pay attention: mean opinion
    scores with 95 % intervals, or the chance of each system to be preferred to an average one. Results that were
    edited, that are of another study or that contradict each other are left out, and the exit status is 1.
    """
    from dd_tools.evaluation.study.analysis import score_study
    from dd_tools.evaluation.study.export import write_answers, write_scores
    from dd_tools.evaluation.study.key import read_key
    from dd_tools.evaluation.study.results import collect
    from dd_tools.evaluation.study.score_page import write_score_page

    check_reports((json, csv), html, [key, *results])
    study = read_key(key)
    collection = collect(results, study)
    for line in collection.faults:
        session.fail(line)
    for line in collection.remarks:
        session.say(line)
    used, expected = len(collection.results), len(study.sessions)
    if not used:
        raise DataError(f"no usable results among {len(results)} files")
    if used < expected:
        session.say(f"results of {used} of {expected} raters; {len(collection.faults)} left out")
    scores = score_study(collection.results, study)
    print_scores(scores)
    if json:
        write_scores(scores, collection.faults, json)
    if csv:
        write_answers(collection.results, scores, csv)
    if html:
        write_score_page(scores, collection.faults, html)


def print_scores(scores: "StudyScores") -> None:
    """Print the tables; if raters were screened, who and why, then those without them, then those with them."""
    if scores.screened:
        lines = [f"screened: rater {rater}: {'; '.join(reasons)}" for rater, reasons in scores.screened.items()]
        print(*lines, "", "Without the screened raters:", sep="\n")
    print_analysis(scores.attentive)
    if scores.screened:
        print("", "With them:", sep="\n")
        print_analysis(scores.all)


def print_analysis(analysis: "Analysis") -> None:
    """Print the tables of one group of raters."""
    from dd_tools.cli.table import print_table
    from dd_tools.evaluation.study import tables

    if not analysis.scenarios:
        print("no raters")
        return
    raters = f"{tables.raters_text(analysis.raters)}; {tables.scenario_titles(analysis)}"
    if next(iter(analysis.scenarios.values())).preferences:
        header, rows = tables.preference_table(analysis)
        print_table(header, [rows], [f"chance to be preferred to an average system; {raters}"])
        return
    header, rows = tables.opinion_table(analysis)
    print_table(header, [rows], [raters, tables.agreement_line(analysis)])
    header, rows = tables.comparison_table(analysis)
    if rows:
        print_table(header, [rows], [tables.COMPARISON_NOTE])


def power(
    session: Session,
    difference: Annotated[
        float, typer.Option(min=0.05, help="Difference of two systems' mean opinion scores to find, in points.")
    ],
    raters: Annotated[str, typer.Option(metavar="N,N,...", help="Numbers of raters to try.")] = "6,12,18,24,36,48",
    clips: Annotated[str, typer.Option(metavar="N,N,...", help="Numbers of clips to try.")] = "5,10,15,20,30",
    target: Annotated[
        float, typer.Option("--power", min=0.5, max=0.99, help="Share of studies that should find the difference.")
    ] = 0.8,
    studies: Annotated[
        int, typer.Option(min=100, max=100_000, help="Number of studies to simulate for each size.")
    ] = 400,
    seed: Seed = 0,
) -> None:
    """Tell how many raters and clips are needed.

    Prints, before anyone is asked, the share of simulated studies whose 95 % interval of the difference does not
    contain 0.
    """
    from dd_tools.cli.table import print_table
    from dd_tools.evaluation.study.power import power_table

    rater_counts, clip_counts = counts("--raters", raters, 1000), counts("--clips", clips, 200)
    shares = power_table(difference, rater_counts, clip_counts, studies=studies, seed=seed, reporter=session)
    rows = [
        [f"{count} raters", *(f"{100 * share:.0f} %" + (" *" if share >= target else "") for share in row)]
        for count, row in zip(rater_counts, shares, strict=True)
    ]
    enough = f"* finds a difference of {difference:g} in {100 * target:.0f} % of the studies or more"
    print_table(["", *(f"{count} clips" for count in clip_counts)], [rows], [enough])


def counts(option: str, text: str, most: int) -> list[int]:
    """The numbers in a list such as ``6,12``, from 2 to `most`."""
    from dd_tools.errors import UsageError

    parts = text.split(",")
    if not all(part.isdecimal() and len(part) < 9 and 2 <= int(part) <= most for part in parts):
        raise UsageError(f"unknown {option} '{text}', expected numbers from 2 to {most}, separated by commas")
    return [int(part) for part in parts]


run = console_commands(
    "dd-study",
    "Ask people for their opinion: build the page that raters see, score their answers, plan how many to ask.",
    {"build": build, "score": score, "power": power},
)
