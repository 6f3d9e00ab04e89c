"""The report as a folder of web pages that need no network: an index, and a page for every clip."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import numpy as np

from dd_tools import __version__
from dd_tools.evaluation.measures.interface import Label
from dd_tools.evaluation.report.charts import Chart, line_chart
from dd_tools.evaluation.report.clip_media import CLIPS, ERROR_SCALE, ClipMedia, CurvePoint
from dd_tools.evaluation.report.report import Report
from dd_tools.evaluation.report.score_tables import clip_table, clips_table, is_baseline, systems_table
from dd_tools.evaluation.scores import ClipScores
from dd_tools.formats.atomic import atomic_output
from dd_tools.spelling import spelled

INDEX = "index.html"

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader(__package__),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    finalize=lambda value: spelled(value) if type(value) is str else value,  # names as in messages; markup is not str
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_pages(report: Report, notes: Sequence[str], media: Mapping[ClipScores, ClipMedia], folder: Path) -> None:
    """Write ``index.html`` and the clips' pages to `folder`, whose subfolder ``clips`` already has the videos.

    notes: lines on what the run could not measure. media: of the clips that get a page.
    """
    clips = list(media.items())
    for number, (clip, own) in enumerate(clips):
        own.save()
        previous = clips[number - 1][1].page if number else None
        following = clips[number + 1][1].page if number + 1 < len(clips) else None
        page = _clip_page(clip, own, report.labels, previous, following)
        write_page(folder / CLIPS / own.page, page)
    write_page(folder / INDEX, _index(report, notes, media))


def write_page(path: Path, text: str) -> None:
    """Write the text of a web page."""
    with atomic_output(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _index(report: Report, notes: Sequence[str], media: Mapping[ClipScores, ClipMedia]) -> str:
    faults = [f"{clip.name}: {fault}" for clip in report.clips for fault in clip.faults]
    return TEMPLATES.get_template("index.html").render(
        videos=sum(not is_baseline(clip) for clip in report.clips),
        version=__version__,
        notes=[*report.failed, *notes, *faults],
        systems=systems_table(report),
        clips=clips_table(report, media),
        clips_folder=CLIPS,
        signature=report.signature,
    )


def _clip_page(
    clip: ClipScores, media: ClipMedia, labels: Sequence[Label], previous: str | None, following: str | None
) -> str:
    aperture, quality = _curves(media.points)
    return TEMPLATES.get_template("clip.html").render(
        clip=clip,
        media=media,
        index=INDEX,
        previous=previous,
        following=following,
        scores=clip_table(clip, labels),
        aperture=aperture,
        quality=quality,
        error_scale=ERROR_SCALE,
        times=[point.pts for point in media.points],
    )


def _curves(points: Sequence[CurvePoint]) -> tuple[Chart | None, Chart | None]:
    """Charts of the lip apertures and of PSNR."""
    times, quality, truth, generated = np.array(
        [(point.pts, point.psnr, point.truth_aperture, point.generated_aperture) for point in points]
    ).T
    aperture = line_chart(times, [("truth", truth), ("generated", generated)], "pixels")
    return aperture, line_chart(times, [("generated", quality)], "dB")
