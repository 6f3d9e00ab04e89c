"""Sharpness of the inside of open mouths, where blurred teeth are noticed most."""

from dd_tools.evaluation.measures.interface import Better, Label
from dd_tools.evaluation.measures.mouth import MATCH_SETTINGS, Mouth
from dd_tools.evaluation.measures.sharpness import SETTINGS, rms_gradient
from dd_tools.face.landmarks import INNER_LIPS

OPEN = 0.1  # interocular distances: mouths with a smaller aperture show no teeth

TEETH_SHARPNESS = Label(
    "teeth_sharpness", "teeth sharpness", "", Better.NEAR_ONE, 2,
    f"{SETTINGS},inside-60-67,aperture-from-{OPEN}-interocular,{MATCH_SETTINGS}",
)  # fmt: skip


def inner_gradient(mouth: Mouth) -> tuple[float] | None:
    """`rms_gradient` between the lips of an open mouth.

    None for a mouth with an aperture below `OPEN`, and if there is no pixel between the lips in the lower face.
    """
    if mouth.aperture < OPEN:
        return None
    inside = mouth.inside(INNER_LIPS)
    return (rms_gradient(mouth.pixels, inside),) if inside.any() else None
