"""The paper's Table 3."""

import re

SCENARIO_COLUMNS = ("MF", "RI", "N", "CL")
# DiffDub, ICASSP 2024, Table 3: mean opinion scores of 12 raters, by the name of the method.
TABLE_3 = {
    "Wav2Lip": (3.46, 4.07, 3.26, 3.42),
    "PC-AVS": (3.74, 3.46, 3.08, 3.50),
    "IP-LAP": (3.53, 3.70, 3.95, 2.42),
    "DAE-Talker": (3.19, 3.33, 2.61, 2.23),
    "DiffDub": (4.62, 4.59, 4.60, 4.17),
}
_ROWS = {
    re.sub(r"\W", "", name).lower(): dict(zip(SCENARIO_COLUMNS, row, strict=True)) for name, row in TABLE_3.items()
}


def published_score(system: str, scenario: str) -> float | None:
    """The score in the paper, or None. system: in any spelling, such as ``pcavs`` or ``PC-AVS``."""
    return _ROWS.get(re.sub(r"[\W_]", "", system).lower(), {}).get(scenario)
