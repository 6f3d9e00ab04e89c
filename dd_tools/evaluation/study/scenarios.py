"""What raters are asked: the four columns of the paper's Table 3, and the scale."""

from dataclasses import dataclass

# Absolute category rating, ITU-T P.800 annex B.
SCALE = {5: "Excellent", 4: "Good", 3: "Fair", 2: "Poor", 1: "Bad"}
SIDES = {1: "left", 2: "right"}  # the answers of a preference


@dataclass(frozen=True)
class Scenario:
    """A column of Table 3. title: its name in the paper. rate, prefer: the question about one video, and about two."""

    title: str
    rate: str
    prefer: str


SCENARIOS = {
    "MF": Scenario(
        "Mouth Fidelity",
        "How do you rate the fidelity of the mouth: the lips, the teeth and the skin around them?",
        "In which video is the fidelity of the mouth better: the lips, the teeth and the skin around them?",
    ),
    "RI": Scenario(
        "Reading Intelligibility",
        "How do you rate the intelligibility of the lips: could the words that you hear be read from them?",
        "In which video are the lips more intelligible: from which could the words that you hear be read?",
    ),
    "N": Scenario(
        "Naturalness",
        "How do you rate the naturalness of the speaking face?",
        "In which video is the speaking face more natural?",
    ),
    "CL": Scenario(
        "Cross-Lingual Performance",
        "The speech was translated into another language. How do you rate how well face and speech belong together?",
        "The speech was translated into another language. In which video do face and speech belong together better?",
    ),
}
