"""Means, intervals, and how they are printed and written."""

import csv
import json
import math

import numpy as np
import pytest
from scipy import stats

from dd_tools.evaluation.measures.interface import Better, Label
from dd_tools.evaluation.report.export import write_csv, write_json, write_markdown
from dd_tools.evaluation.report.report import Report
from dd_tools.evaluation.report.table import table
from dd_tools.evaluation.scores import ClipScores, bootstrap_interval, mean_score, summarise

PSNR = Label("psnr", "PSNR", "dB", Better.HIGHER, 2, "x")
JITTER = Label("jitter", "jitter", "", Better.NEAR_ONE, 2, "y")


def clip(system: str, name: str, psnr: float, jitter: float = 1.0, generated: str | None = "out.mp4") -> ClipScores:
    return ClipScores(system, name, generated, "gt.mp4", 250, 0, 3, 0, {"psnr": psnr, "jitter": jitter})


def report(*clips: ClipScores) -> Report:
    return Report([PSNR, JITTER], clips, ["no truth for 'b.mp4'"], "dd-eval:9|region:x")


def test_interval_agrees_with_scipys_bootstrap():
    values = np.random.default_rng(3).normal(28, 2, 40)
    expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=1).confidence_interval
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.1)
    assert bootstrap_interval(values) == (low, high)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([28.0], "PSNR ↑ dB = 28.00"),
        ([28.0, 28.0], "PSNR ↑ dB = 28.00 [28.00, 28.00]"),
        ([28.0, math.nan], "PSNR ↑ dB = 28.00"),
        ([math.inf, 28.0], "PSNR ↑ dB = inf"),
        ([math.nan], "PSNR ↑ dB = –"),
        ([], "PSNR ↑ dB = –"),
    ],
)
def test_a_score_prints_its_name_direction_unit_value_and_interval(values, text):
    assert str(mean_score(PSNR, values)) == text


def test_summary_is_by_system_in_order_of_appearance():
    systems = summarise([clip("z", "a", 20), clip("a", "a", 30), clip("z", "b", 22)], [PSNR])
    assert [(one.system, len(one.clips), one.scores["psnr"].value) for one in systems] == [("z", 2, 21), ("a", 1, 30)]


def test_json_holds_everything_and_is_strict(tmp_path):
    write_json(report(clip("ours", "a", math.inf, math.nan), clip("ours", "b", 30.5)), tmp_path / "r.json")

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    written = json.loads((tmp_path / "r.json").read_text(), parse_constant=refuse)
    assert list(written) == ["dd_eval", "signature", "measures", "systems", "clips", "failed"]
    assert written["measures"][0] == {"key": "psnr", "title": "PSNR", "unit": "dB", "better": "higher"}
    assert [(one["psnr"], one["jitter"]) for one in written["clips"]] == [("inf", None), (30.5, 1.0)]
    assert written["systems"][0]["jitter"] == {"mean": 1.0, "low": None, "high": None, "clips": 1}
    assert written["failed"] == ["no truth for 'b.mp4'"]
    assert written["clips"][1]["missed_generated"] == 3


def test_csv_has_stable_columns_and_a_mean_per_system(tmp_path):
    write_csv(
        report(clip("ours", "a", 20, math.nan), clip("ours", "b", 30), clip("(truth)", "a", math.inf, 1, None)),
        tmp_path / "r.csv",
    )
    with open(tmp_path / "r.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == [
        "system", "clip", "generated", "truth", "frames", "missed_truth", "missed_generated", "identical_frames",
        "psnr", "jitter", "signature",
    ]  # fmt: skip
    assert [(row["system"], row["clip"], row["psnr"], row["jitter"]) for row in rows] == [
        ("ours", "a", "20", ""),
        ("ours", "b", "30", "1.0"),
        ("(truth)", "a", "inf", "1"),
        ("ours", "(mean)", "25.0", "1.0"),
        ("(truth)", "(mean)", "inf", "1.0"),
    ]
    assert {row["signature"] for row in rows} == {"dd-eval:9|region:x"}


def test_table_and_markdown(tmp_path):
    shown = report(clip("ours", "a|b", 20.0), clip("ours", "c", 30.0))
    header, sections = table(shown)
    assert header == ["", "frames", "no face", "PSNR ↑ dB", "jitter →1"]
    assert sections == [
        [
            ["ours/a|b", "250", "3", "20.00", "1.00"],
            ["ours/c", "250", "3", "30.00", "1.00"],
            ["ours: mean of 2", "", "", "25.00", "1.00"],
            ["95 % interval", "", "", "[20.00, 30.00]", "[1.00, 1.00]"],
        ]
    ]
    write_markdown(shown, tmp_path / "r.md")
    lines = (tmp_path / "r.md").read_text().splitlines()
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: |"
    assert lines[2] == "| ours/a\\|b | 250 | 3 | 20.00 | 1.00 |"
    assert lines[-1] == "`dd-eval:9|region:x`"
