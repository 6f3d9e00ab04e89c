"""The report as a folder of web pages that need no network: a summary, and a page for every clip."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from dd_tools import __version__
from dd_tools.evaluation.charts import line_chart
from dd_tools.evaluation.exhibits import ERROR_SCALE, Exhibits
from dd_tools.evaluation.measure import Label
from dd_tools.evaluation.page_style import SCRIPT, STYLE
from dd_tools.evaluation.report import Report
from dd_tools.evaluation.scores import ClipScores
from dd_tools.formats.atomic import atomic_output

INDEX, CLIPS = "index.html", "clips"


def write_pages(report: Report, notes: Sequence[str], exhibits: Mapping[ClipScores, Exhibits], folder: Path) -> None:
    """Write ``index.html`` and the clips' pages to `folder`, where the exhibits' videos lie already in ``clips``.

    notes: lines on what this run could not measure. exhibits: of the clips that have a page; others have none.
    """
    shown = list(exhibits.items())
    for place, (clip, exhibit) in enumerate(shown):
        exhibit.save()
        before, after = (shown[other][1].name if 0 <= other < len(shown) else None for other in (place - 1, place + 1))
        page = _clip_page(clip, exhibit, report.labels, before, after)
        _write(folder / CLIPS / f"{exhibit.name}.html", page)
    _write(folder / INDEX, _index(report, notes, exhibits))


def _write(path: Path, text: str) -> None:
    with atomic_output(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _page(title: str, body: Iterable[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _index(report: Report, notes: Sequence[str], exhibits: Mapping[ClipScores, Exhibits]) -> str:
    clips = sum(not _is_baseline(clip) for clip in report.clips)
    body = ["<h1>Generated videos against the truth</h1>"]
    body.append(f'<p class="soft">{clips} videos · dd-eval {__version__} · best values stand out</p>')
    body += [f'<p class="note">{escape(line)}</p>' for line in (*report.failed, *notes, *_faults(report.clips))]
    body += ["<h2>Systems</h2>", _systems_table(report), "<h2>Clips</h2>", _clips_table(report, exhibits)]
    body += ["<h2>Signature</h2>", f'<p class="signature">{escape(report.signature)}</p>']
    return _page("dd-eval", body)


def _faults(clips: Iterable[ClipScores]) -> list[str]:
    return [f"{clip.name}: {fault}" for clip in clips for fault in clip.faults]


def _systems_table(report: Report) -> str:
    """A row for every system, then the baselines'."""
    groups = []
    for is_baseline in (False, True):
        systems = [system for system in report.systems if _is_baseline(system.clips[0]) == is_baseline]
        values = [[system.scores[label.key].value for label in report.labels] for system in systems]
        rows = []
        for system, row, marks in zip(systems, values, _best(values, report.labels, is_baseline), strict=True):
            intervals = [system.scores[label.key].interval for label in report.labels]
            cells = [_cell(*cell) for cell in zip(report.labels, row, marks, intervals, strict=True)]
            rows.append(_row(escape(system.system), str(len(system.clips)), cells, is_baseline))
        groups.append(rows)
    return _table(["system", "clips"], report.labels, groups)


def _clips_table(report: Report, exhibits: Mapping[ClipScores, Exhibits]) -> str:
    """A row for every clip, those of one truth together and compared with each other, its baselines last."""
    groups = []
    for truth in dict.fromkeys(clip.truth for clip in report.clips):
        rows = []
        for is_baseline in (False, True):
            clips = [clip for clip in report.clips if clip.truth == truth and _is_baseline(clip) == is_baseline]
            values = [[clip.values.get(label.key, math.nan) for label in report.labels] for clip in clips]
            for clip, row, marks in zip(clips, values, _best(values, report.labels, is_baseline), strict=True):
                cells = [_cell(*cell) for cell in zip(report.labels, row, marks, strict=True)]
                rows.append(_row(_link(clip, exhibits), _frames(clip), cells, is_baseline))
        groups.append(rows)
    return _table(["clip", "frames"], report.labels, groups)


def _is_baseline(clip: ClipScores) -> bool:
    return clip.generated is None


def _link(clip: ClipScores, exhibits: Mapping[ClipScores, Exhibits]) -> str:
    name = escape(clip.name)
    return f'<a href="{CLIPS}/{exhibits[clip].name}.html">{name}</a>' if clip in exhibits else name


def _frames(clip: ClipScores) -> str:
    missed = max(clip.missed_truth, clip.missed_generated)
    return f"{clip.frames}" + (f"<small>{missed} without face</small>" if missed else "")


def _best(values: list[list[float]], labels: Sequence[Label], is_baseline: bool) -> list[list[bool]]:
    """Which values (rows of columns) are their column's best, as printed: no baseline's, none where all are alike."""
    marks = [[False] * len(labels) for _ in values]
    if is_baseline:
        return marks
    for column, label in enumerate(labels):
        badness = {
            place: label.better.badness(float(label.text(row[column])))
            for place, row in enumerate(values)
            if not math.isnan(row[column])
        }
        for place, own in badness.items():
            marks[place][column] = own == min(badness.values()) < max(badness.values())
    return marks


def _table(titles: Sequence[str], labels: Sequence[Label], groups: Iterable[list[str]]) -> str:
    header = [f"<th>{title}<small></small></th>" for title in titles]
    header += [
        f"<th>{escape(label.title)} {label.better.value}<small>{escape(label.unit)}</small></th>" for label in labels
    ]
    bodies = [f"<tbody>{''.join(rows)}</tbody>" for rows in groups if rows]
    return f'<div class="wide"><table><thead><tr>{"".join(header)}</tr></thead>\n{"".join(bodies)}</table></div>'


def _row(name: str, count: str, cells: list[str], is_baseline: bool = False) -> str:
    kind = " class=baseline" if is_baseline else ""
    return f"<tr{kind}><td>{name}</td><td>{count}</td>{''.join(cells)}</tr>"


def _cell(label: Label, value: float, best: bool = False, interval: str = "") -> str:
    style = ' class="best"' if best else ' class="missing"' if math.isnan(value) else ""
    return f"<td{style}>{label.text(value)}" + (f"<small>{interval}</small>" if interval else "") + "</td>"


def _clip_page(
    clip: ClipScores, exhibit: Exhibits, labels: Sequence[Label], before: str | None, after: str | None
) -> str:
    links = [
        ("../" + INDEX, "All clips"),
        (before and f"{before}.html", "Previous"),
        (after and f"{after}.html", "Next"),
    ]
    body = ["<nav>" + "".join(f'<a href="{target}">{text}</a>' for target, text in links if target) + "</nav>"]
    body.append(f"<h1>{escape(clip.name)}</h1>")
    body.append(f'<p class="soft">{escape(str(clip.generated))} against {escape(clip.truth)}</p>')
    body += [f'<p class="note">{escape(fault)}</p>' for fault in clip.faults]
    body.append(_player(exhibit))
    body.append(_curves(exhibit))
    cells = [_cell(label, clip.values.get(label.key, math.nan)) for label in labels]
    body += ["<h2>Scores</h2>", _table(["", "frames"], labels, [[_row("this clip", _frames(clip), cells)]])]
    body += ["<h2>Worst frames</h2>", _worst(exhibit)]
    body += [
        "<h2>Mean error</h2>",
        f'<figure style="max-width: 340px"><img src="{exhibit.mean_error}" alt=""></figure>',
    ]
    body.append(f'<script type="application/json" id="times">{json.dumps([m.pts for m in exhibit.moments])}</script>')
    body.append(f"<script>{SCRIPT}</script>")
    return _page(clip.name, body)


def _player(exhibit: Exhibits) -> str:
    return (
        '<div class="strip"><span>truth</span><span>generated</span>'
        f"<span>error, brightest at {ERROR_SCALE} grey levels</span></div>"
        f'<video src="{exhibit.video}" controls loop preload="auto"></video>'
        '<div class="controls"><button id="play">Play</button><button id="back">◂ Frame</button>'
        '<button id="on">Frame ▸</button><button id="slow">Quarter speed</button><span id="clock"></span></div>'
    )


def _curves(exhibit: Exhibits) -> str:
    moments = exhibit.moments
    times, quality, truth, generated = (
        np.array([getattr(moment, name) for moment in moments])
        for name in ("pts", "psnr", "truth_aperture", "aperture")
    )
    aperture = line_chart(times, [("truth", truth), ("made", generated)], "pixels")
    keys = '<span class="key truth">truth</span><span class="key">generated</span>'
    return (
        f"<h2>Lip aperture, pixels {keys}</h2>{aperture or _NOTHING}"
        f"<h2>PSNR, dB</h2>{line_chart(times, [('made', quality)], 'dB') or _NOTHING}"
    )


_NOTHING = '<p class="soft">Nothing to draw.</p>'


def _worst(exhibit: Exhibits) -> str:
    figures = [
        f'<figure data-time="{moment.pts:.4f}"><img src="{file}" alt="truth, generated, error">'
        f"<figcaption><b>{moment.psnr:.2f} dB</b> · frame {moment.number + 1} · {moment.pts:.2f} s</figcaption>"
        "</figure>"
        for moment, file in exhibit.worst
    ]
    return f'<div class="figures">{"".join(figures)}</div>' if figures else '<p class="soft">No frame differs.</p>'
