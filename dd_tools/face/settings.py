"""What a user can choose about a clip, and the defaults: plain values, so that a command line costs nothing to read."""

from dataclasses import dataclass

from dd_tools.errors import UsageError

FACE, HEAD = CROPS = ("face", "head")
STEADY, PAPER = MASKS = ("steady", "paper")
PROMINENT, LARGEST, CENTER, SPEAKING, ALL = FACES = ("prominent", "largest", "center", "speaking", "all")
SMALLEST_SIZE, LARGEST_SIZE = 16, 2048  # pixels


@dataclass(frozen=True)
class PrepSettings:
    """What shapes a clip's content; the defaults are what the shipped models were trained on.

    size: S, side of the crop and of the face image in pixels. crop: one of `CROPS`. mask: one of `MASKS`. fps: resample
    the video to this rate; None keeps its own frames. face: whose clip it is, one of `FACES` or numbers of faces as in
    "0" and "0,3". at: or whoever is first seen at this point, x and y in pixels. Raises `UsageError` for anything else.
    """

    size: int = 96
    crop: str = FACE
    mask: str = STEADY
    fps: float | None = None
    face: str = PROMINENT
    at: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name, value, allowed in (("crop", self.crop, CROPS), ("mask", self.mask, MASKS)):
            if value not in allowed:
                raise UsageError(f"unknown {name} '{value}', expected {' or '.join(allowed)}")
        if not SMALLEST_SIZE <= self.size <= LARGEST_SIZE:
            raise UsageError(f"size {self.size} is out of range, expected {SMALLEST_SIZE} to {LARGEST_SIZE} pixels")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise UsageError(f"frame rate {self.fps:g} is out of range, expected more than 0, at most 1000")
        if self.face not in FACES and not self.numbers:
            raise UsageError(f"unknown face '{self.face}', expected {', '.join(FACES)} or numbers, as in 0 or 0,3")
        if self.at and self.face != PROMINENT:
            raise UsageError(f"face '{self.face}' and the face at a point are two choices: make one")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The faces asked for by number; none if `face` is a word."""
        parts = self.face.split(",")
        return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()
