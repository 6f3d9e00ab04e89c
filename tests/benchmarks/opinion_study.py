"""Simulated opinion studies with known truth: do the intervals cover it, and does screening catch random clickers?

    python tests/benchmarks/opinion_study.py [--studies 1000]

Every study has some raters who click at random. The intervals are those of the raters who pass the screening. They
should cover the true score in 93 to 97 of 100 systems; screening should catch 95 of 100 clickers, and at most 2 of 100
attentive raters.
"""

import argparse
import sys
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from opinion_raters import Opinions, attentive, clicker, made_up_key, result_of

from dd_tools.evaluation.study.analysis import rating_matrices
from dd_tools.evaluation.study.key import MODES, PREFERENCE, RATING, Key
from dd_tools.evaluation.study.opinion import estimate
from dd_tools.evaluation.study.results import Result
from dd_tools.evaluation.study.screening import reasons_to_screen

QUALITY = {"truth": 4.6, "ours": 4.0, "wav2lip": 3.4, "iplap": 3.0, "anchor": 2.2}
SIZES = [(12, 5), (24, 5), (24, 10), (36, 10)]  # raters and clips
CLICKERS = 2  # in each study, in addition


def answers(key: Key, opinions: Opinions, clickers: int) -> tuple[list[Result], list[Result]]:
    """The results of attentive raters, and those of the last `clickers`, who click at random."""
    raters = list(key.sessions)
    good = [result_of(key, rater, attentive(key, rater, opinions)) for rater in raters[:-clickers]]
    return good, [result_of(key, rater, clicker(key, rater, opinions.rng)) for rater in raters[-clickers:]]


def study(mode: str, raters: int, clips: int, per_clip: int | None, seed: int) -> np.ndarray:
    """Intervals that cover, intervals, clickers caught, clickers, attentive raters screened, attentive raters."""
    systems = [name for name in QUALITY if name != "anchor"]
    key = made_up_key(
        mode, systems=systems, scenarios=["N"], clips=clips, raters=raters + CLICKERS, per_clip=per_clip, seed=seed
    )
    opinions = Opinions(QUALITY, np.random.default_rng(seed))
    good, bad = answers(key, opinions, CLICKERS)
    caught, screened = ([one for one in group if reasons_to_screen(one, key)] for group in (bad, good))
    covered = []
    if mode == RATING:
        kept = [one for one in (*good, *bad) if one not in caught and one not in screened]
        for system, scores in rating_matrices(kept, key, "N").items():
            interval, truth = estimate(scores, (1, 5)), opinions.true_score(system)
            covered.append(interval.low <= truth <= interval.high)
    return np.array([sum(covered), len(covered), len(caught), len(bad), len(screened), len(good)])


def main() -> None:
    """Print a line for each kind and size of study."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=1000)
    studies = parser.parse_args().studies
    print(f"{'study':34} {'covered':>8} {'clickers caught':>16} {'attentive screened':>19}")
    kinds = [*product([RATING], SIZES, [None]), (RATING, (24, 10), 2), (PREFERENCE, (24, 5), None)]
    assert {kind for kind, *_ in kinds} == set(MODES)
    for mode, (raters, clips), per_clip in kinds:
        counts = sum(study(mode, raters, clips, per_clip, seed) for seed in range(studies))
        hits, totals = counts[::2], counts[1::2]
        shares = [f"{100 * hit / total:.1f} %" if total else "-" for hit, total in zip(hits, totals, strict=True)]
        size = f"{mode}, {raters} raters, {clips} clips" + (f", {per_clip} each" if per_clip else "")
        print(f"{size:34} {shares[0]:>8} {shares[1]:>16} {shares[2]:>19}", flush=True)


if __name__ == "__main__":
    main()
