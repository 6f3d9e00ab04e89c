"""Conditions that reject clips: what they say, what they reject, and what is none."""

import math

import pytest

from dd_tools.errors import UsageError
from dd_tools.evaluation.conditions import parse_conditions, reasons
from dd_tools.evaluation.scores import ClipScores

KEYS = ("psnr", "lmd")


def clip(**values: float) -> ClipScores:
    return ClipScores("ours", "a", "a.mp4", "b.mp4", 5, 0, 0, 0, values)


@pytest.mark.parametrize(
    ("text", "values", "rejected"),
    [
        ("psnr<24", {"psnr": 23.99}, ["psnr<24 (23.99)"]),
        ("psnr<24", {"psnr": 24.0}, []),
        ("psnr<=24", {"psnr": 24.0}, ["psnr<=24 (24)"]),
        (" psnr < 24 ", {"psnr": math.inf}, []),
        ("lmd>1.5", {"lmd": 1.5}, []),
        ("lmd>=1.5", {"lmd": 1.5}, ["lmd>=1.5 (1.5)"]),
        ("lmd>-1e-3", {"lmd": 0.0}, ["lmd>-0.001 (0)"]),
        ("lmd>1", {"lmd": math.nan}, ["lmd>1 (not measured)"]),
        ("lmd<1", {"lmd": math.nan}, ["lmd<1 (not measured)"]),
    ],
)
def test_a_clip_is_rejected_by_the_conditions_that_it_meets(text, values, rejected):
    assert list(reasons(parse_conditions([text], KEYS), clip(**values))) == rejected


def test_every_reason_is_given():
    conditions = parse_conditions(["psnr<24", "lmd>1", "psnr<22"], KEYS)
    assert list(reasons(conditions, clip(psnr=23, lmd=2))) == ["psnr<24 (23)", "lmd>1 (2)"]


@pytest.mark.parametrize(
    "text", ["", "psnr", "psnr<", "<24", "psnr=24", "psnr<high", "psnr<nan", "24>psnr", "psnr<2<3"]
)
def test_other_texts_are_no_conditions(text):
    with pytest.raises(UsageError, match=r"condition must|is not measured"):
        parse_conditions([text], KEYS)


def test_what_is_not_measured_cannot_be_a_condition():
    with pytest.raises(UsageError, match="cannot use 'lpips<1': 'lpips' is not measured; expected one of psnr, lmd"):
        parse_conditions(["lpips<1"], KEYS)
