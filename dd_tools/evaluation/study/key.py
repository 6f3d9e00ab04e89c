"""The key of a study: what every item shows. It stays with whoever scores, so that raters cannot know."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from dd_tools.errors import DataError, UsageError, reason
from dd_tools.evaluation.study.scenarios import SCALE, SCENARIOS, SIDES
from dd_tools.formats.atomic import atomic_output
from dd_tools.formats.strict_json import parse_object

RATING, PREFERENCE = MODES = ("rating", "preference")
RATED, TRAINING, REPEAT, TRAP = ROLES = ("rated", "training", "repeat", "trap")
TRUTH, ANCHOR = "truth", "anchor"  # systems: the hidden reference, and the reference with its audio shifted
FORMAT, VERSION = "dd-study key", 1
_TYPES = {"study": str, "mode": str, "items": dict, "sessions": dict}


@dataclass(frozen=True)
class Item:
    """What a rater answers once.

    role: one of `ROLES`; only rated items are scored, a repeat is compared with the rated item that shows the same.
    scenario: a key of `SCENARIOS`. clip: "" for a trap. systems: one, or the left and the right one for a preference;
    none for a trap. answer: what a trap asks for, otherwise None.
    """

    role: str
    scenario: str
    clip: str = ""
    systems: tuple[str, ...] = ()
    answer: int | None = None


@dataclass(frozen=True)
class Key:
    """The items of a study by their random names, and each rater's session: the names in the order of their showing.

    study: identifier, which results repeat. mode: one of `MODES`. A rater sees an item at most once. secret: all orders
    and names are drawn from it, see `dd_tools.evaluation.study.build`; "" if it is not known.
    """

    study: str
    mode: str
    items: Mapping[str, Item]
    sessions: Mapping[str, tuple[str, ...]]
    secret: str = ""

    @property
    def answers(self) -> Mapping[int, str]:
        """The possible answers and what they mean."""
        return SCALE if self.mode == RATING else SIDES


def write_key(key: Key, path: Path) -> None:
    """Write the key as JSON."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "study": key.study,
        "mode": key.mode,
        "secret": key.secret,
        "items": {name: asdict(item) for name, item in key.items.items()},
        "sessions": key.sessions,
    }
    with atomic_output(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_key(path: Path) -> Key:
    """Read a key. Raises `DataError` for any other file, `UsageError` for a key of a later version."""
    try:
        values = parse_object(path.read_bytes())
        if values.get("format") != FORMAT:
            raise ValueError(f"its format is not '{FORMAT}'")
        if values.get("version") != VERSION:
            raise UsageError(f"cannot read '{path}': version {values.get('version')} of the key, expected {VERSION}")
        return _checked(values)
    except OSError as error:
        raise DataError(f"cannot read '{path}': {reason(error)}") from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise DataError(f"cannot read '{path}': not the key of a study ({error})") from None


def _checked(values: dict) -> Key:
    if not all(isinstance(values[name], kind) for name, kind in _TYPES.items()):
        raise ValueError(f"expected {', '.join(_TYPES)}")
    lists = [*values["sessions"].values(), *(item["systems"] for item in values["items"].values())]
    if not all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in lists):
        raise ValueError("systems and sessions must be lists of names")
    items = {name: Item(**{**item, "systems": tuple(item["systems"])}) for name, item in values["items"].items()}
    sessions = {rater: tuple(names) for rater, names in values["sessions"].items()}
    key = Key(values["study"], values["mode"], items, sessions, values.get("secret", ""))
    if key.mode not in MODES or not isinstance(key.secret, str):
        raise ValueError(f"unknown mode '{key.mode}', or a secret that is no text")
    for name, item in items.items():
        _check_item(key, name, item)
    for rater, names in sessions.items():
        if len(set(names)) < len(names) or not items.keys() >= set(names):
            raise ValueError(f"unknown or repeated items in the session of rater '{rater}'")
    return key


def _check_item(key: Key, name: str, item: Item) -> None:
    videos = 0 if item.role == TRAP else 1 if key.mode == RATING else 2
    if item.role not in ROLES or item.scenario not in SCENARIOS or len(item.systems) != videos:
        raise ValueError(f"unknown role or scenario, or a wrong number of systems, of item '{name}'")
    is_right = type(item.answer) is int and item.answer in key.answers if item.role == TRAP else item.answer is None
    if not is_right or not isinstance(item.clip, str):
        raise ValueError(f"wrong answer or clip of item '{name}'")
