"""The choices a user has, the measures they lead to, and the signature that records them beside every number."""

from dataclasses import dataclass

from dd_tools import __version__
from dd_tools.errors import UsageError
from dd_tools.evaluation import frames, landmarks, quality, scores, temporal
from dd_tools.evaluation.measure import FrameMean, Label, Measure
from dd_tools.face.geometry import HEAD_SIDE
from dd_tools.face.landmarks import Detector

STRICT, SHORTEST = ALIGNMENTS = ("strict", "shortest")

_REGIONS = {
    frames.LOWER_FACE: f"lower-face(jaw-width,nose-tip-to-chin,margin-{frames.MARGIN})",
    frames.MASK: f"mask(paper-polygon,head-{HEAD_SIDE}-interocular)",
    frames.FULL: "full",
}


@dataclass(frozen=True)
class Protocol:
    """How pairs are compared; the defaults are the paper's protocol.

    region: what PSNR and SSIM see, of `frames.REGIONS`. lmd: whether mouths are centred on each other first, of
    `landmarks.LMD_KINDS`. align: whether videos that differ by more than one frame are refused or cut to the shorter
    one, of `ALIGNMENTS`. Raises `UsageError` for other values.
    """

    region: str = frames.LOWER_FACE
    lmd: str = landmarks.ALIGNED
    align: str = STRICT

    def __post_init__(self):
        for option, choices in (("region", frames.REGIONS), ("lmd", landmarks.LMD_KINDS), ("align", ALIGNMENTS)):
            if getattr(self, option) not in choices:
                raise UsageError(f"unknown {option} '{getattr(self, option)}', expected {', '.join(choices)}")

    def measures(self) -> list[Measure]:
        """Fresh measures for one clip, in the order of tables."""
        lmd = landmarks.aligned_lmd if self.lmd == landmarks.ALIGNED else landmarks.raw_lmd
        return [
            FrameMean(quality.PSNR, quality.psnr),
            FrameMean(quality.SSIM, quality.ssim),
            FrameMean(landmarks.lmd_label(self.lmd), lmd),
            landmarks.ApertureCorrelation(),
            temporal.Jitter(),
            FrameMean(quality.OUTSIDE, quality.outside_error),
        ]

    @property
    def labels(self) -> list[Label]:
        """The labels of `measures`."""
        return [measure.label for measure in self.measures()]

    def signature(self, detector: Detector) -> str:
        """Everything that could change a number, as ``name:value`` joined by ``|``."""
        parts = {
            "dd-eval": __version__,
            "region": _REGIONS[self.region],
            "size": f"{frames.SIZE},cubic",
            "colour": "rgb8-full-range",
            "detector": f"{detector.name}-{detector.version}",
            "align": self.align,
            **{label.key: label.settings for label in self.labels},
            "interval": scores.BOOTSTRAP,
        }
        return "|".join(f"{name}:{value}" for name, value in parts.items())
