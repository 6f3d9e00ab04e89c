"""Studies with made-up raters whose opinions are known."""

import json
import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from scipy.stats import norm

from dd_tools.evaluation.study.key import RATING, TRAP, Item, Key, read_key
from dd_tools.evaluation.study.results import Answer, Result
from dd_tools.evaluation.study.sessions import Section, make_key

SLIP = 0.02  # how often an attentive rater fails a trap
SYSTEMS = ("ours", "wav2lip", "iplap")


def made_up_key(
    mode: str = RATING,
    *,
    systems: Sequence[str] = SYSTEMS,
    scenarios: Sequence[str] = ("MF", "N"),
    clips: int = 5,
    raters: int = 12,
    per_clip: int | None = None,
    seed: int = 0,
) -> Key:
    """The key of a study, as `build_study` makes it from a plan."""
    names = tuple(f"clip{number}" for number in range(clips))
    sections = [Section(scenario, names, tuple(systems)) for scenario in scenarios]
    return make_key(f"study{seed}", sections, mode, raters, per_clip, random.Random(seed))


@dataclass
class Opinions:
    """Latent opinions: of a system, plus the rater, the clip, both with the system, and the noise of each rating.

    quality: of each system, on the scale. rater, clip, taste, fit, noise: standard deviations.
    """

    quality: Mapping[str, float]
    rng: np.random.Generator
    rater: float = 0.4
    clip: float = 0.4
    taste: float = 0.3
    fit: float = 0.2
    noise: float = 0.6
    _drawn: dict[tuple, float] = field(default_factory=dict)

    def true_score(self, system: str) -> float:
        """The mean score over all raters and clips there could be: 1 plus the chances to exceed 1.5, 2.5, 3.5, 4.5."""
        spread = np.sqrt(sum(one**2 for one in (self.rater, self.clip, self.taste, self.fit, self.noise)))
        return 1 + float(sum(norm.sf((limit - self.quality[system]) / spread) for limit in (1.5, 2.5, 3.5, 4.5)))

    def latent(self, rater: str, item: Item, system: str) -> float:
        """A fresh opinion; the parts that are not noise stay what they are."""
        return (
            self.quality[system]
            + self._part(self.rater, rater, item.scenario)
            + self._part(self.clip, item.clip, item.scenario)
            + self._part(self.taste, rater, system, item.scenario)
            + self._part(self.fit, item.clip, system, item.scenario)
            + self.noise * self.rng.standard_normal()
        )

    def _part(self, spread: float, *what: str) -> float:
        if what not in self._drawn:
            self._drawn[what] = self.rng.standard_normal()
        return spread * self._drawn[what]


def attentive(key: Key, rater: str, opinions: Opinions) -> list[int]:
    """The answers of somebody who pays attention, and slips in one trap of fifty."""
    return [_answer(key, rater, key.items[name], opinions) for name in key.sessions[rater]]


def _answer(key: Key, rater: str, item: Item, opinions: Opinions) -> int:
    if item.role == TRAP:
        slips = opinions.rng.random() < SLIP
        return int(opinions.rng.choice([one for one in key.answers if one != item.answer])) if slips else item.answer
    values = [opinions.latent(rater, item, system) for system in item.systems]
    return int(np.clip(np.rint(values[0]), 1, 5)) if key.mode == RATING else 1 + (values[1] > values[0])


def clicker(key: Key, rater: str, rng: np.random.Generator) -> list[int]:
    """The answers of somebody who clicks at random."""
    return [int(one) for one in rng.choice(list(key.answers), len(key.sessions[rater]))]


def result_of(key: Key, rater: str, answers: Sequence[int]) -> Result:
    """The result with these answers."""
    own = [Answer(name, answer, 1, 1500) for name, answer in zip(key.sessions[rater], answers, strict=True)]
    return Result(key.study, rater, "2025-01-01T10:00:00Z", "2025-01-01T10:30:00Z", tuple(own))


def document(result: Result) -> dict:
    """The JSON of a result as the page writes it; the checksum is computed here from its definition."""
    lines = [result.study, result.rater, result.started, result.finished]
    lines += [" ".join(map(str, (a.item, a.answer, a.plays, a.milliseconds))) for a in result.answers]
    checksum = format(zlib.crc32("\n".join(lines).encode("utf-8")), "08x")
    return {"format": "dd-study result", "version": 1, **asdict(result), "checksum": checksum}


def save_steady_result(key_path: Path, rater: str, path: Path) -> None:
    """Write the result of a rater who always gives the first of the possible answers."""
    key = read_key(key_path)
    path.write_text(json.dumps(document(result_of(key, rater, [min(key.answers)] * len(key.sessions[rater])))))
