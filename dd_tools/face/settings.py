"""The options of clip preparation and their defaults. Imports no heavy library, so that `dd-prep --help` is fast."""

from dataclasses import dataclass

from dd_tools.errors import UsageError

FACE, HEAD = CROPS = ("face", "head")
STEADY, PAPER = MASKS = ("steady", "paper")
PROMINENT, LARGEST, CENTER, SPEAKING, ALL = FACES = ("prominent", "largest", "center", "speaking", "all")
MIN_SIZE, MAX_SIZE = 16, 2048  # pixels
MAX_FPS = 1000


@dataclass(frozen=True)
class PrepSettings:
    """The settings that determine a clip's content. The defaults are those that the shipped models were trained with.

    size: side of the crop and of the face image, in pixels.
    crop: framing of the crop, one of `CROPS`.
    mask: region to repaint, one of `MASKS`.
    fps: frame rate to resample the video to; None keeps its own frames and times.
    face: the speaker, one of `FACES`, or numbers of faces as in "0" and "0,3".
    at: x, y in pixels: the speaker is the face first detected at this point; replaces `face`.
    deinterlace: whether interlaced frames are made whole before anything else.

    Raises `UsageError` for other values.
    """

    size: int = 192
    crop: str = FACE
    mask: str = STEADY
    fps: float | None = None
    face: str = PROMINENT
    at: tuple[float, float] | None = None
    deinterlace: bool = False

    def __post_init__(self) -> None:
        for name, value, allowed in (("crop", self.crop, CROPS), ("mask", self.mask, MASKS)):
            if value not in allowed:
                raise UsageError(f"unknown {name} '{value}', expected {' or '.join(allowed)}")
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise UsageError(f"size {self.size} is out of range, expected {MIN_SIZE} to {MAX_SIZE} pixels")
        if self.fps is not None and not 0 < self.fps <= MAX_FPS:
            raise UsageError(f"frame rate {self.fps:g} is out of range, expected more than 0 and at most {MAX_FPS}")
        if self.face not in FACES and not self.numbers:
            raise UsageError(f"unknown face '{self.face}', expected {', '.join(FACES)}, or numbers such as 0 or 0,3")
        if self.at and self.face != PROMINENT:
            raise UsageError(f"face '{self.face}' and a point both choose the speaker, expected one of them")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers in `face`, or an empty tuple if it is one of `FACES`."""
        parts = self.face.split(",")
        return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()
