"""The choices a user has, the measures they lead to, and the signature that records them beside every number."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dd_tools import __version__
from dd_tools.errors import UsageError
from dd_tools.evaluation import frames, landmarks, quality, registration, scores, sync, sync_crops, temporal
from dd_tools.evaluation.measure import FrameMean, Label, Measure, Missing
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.geometry import HEAD_SIDE

if TYPE_CHECKING:
    from dd_tools.evaluation.perceptual import Lpips
    from dd_tools.evaluation.syncnet import SyncExpert

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
    one, of `ALIGNMENTS`. register: whether videos framed unlike their truth are lined up with it or refused. lpips,
    expert: the networks of LPIPS and of lip sync, None to go without. sync_crop: what the latter sees, of
    `sync_crops.CROPS`. Raises `UsageError` for other values.
    """

    region: str = frames.LOWER_FACE
    lmd: str = landmarks.ALIGNED
    align: str = STRICT
    register: bool = False
    lpips: "Lpips | None" = None
    expert: "SyncExpert | None" = None
    sync_crop: str = "real"

    def __post_init__(self):
        choices = {
            "region": frames.REGIONS,
            "lmd": landmarks.LMD_KINDS,
            "align": ALIGNMENTS,
            "sync_crop": tuple(sync_crops.CROPS),
        }
        for option, allowed in choices.items():
            if getattr(self, option) not in allowed:
                name = option.replace("_", " ")
                raise UsageError(f"unknown {name} '{getattr(self, option)}', expected {', '.join(allowed)}")

    def measures(self, sound: Path | None = None) -> list[Measure]:
        """Fresh measures for one clip, in the order of tables; lips are measured against the sound of that file."""
        lmd = landmarks.aligned_lmd if self.lmd == landmarks.ALIGNED else landmarks.raw_lmd
        return [
            FrameMean(quality.PSNR, quality.psnr),
            FrameMean(quality.SSIM, quality.ssim),
            self._perceptual(),
            FrameMean(landmarks.lmd_label(self.lmd), lmd),
            self._lip_sync(sound),
            landmarks.Aperture(),
            temporal.Jitter(),
            FrameMean(quality.OUTSIDE, quality.outside_error),
        ]

    def _perceptual(self) -> Measure:
        if self.lpips is None:
            return Missing(quality.LPIPS)
        from dd_tools.evaluation.perceptual import PerceptualDistance

        return PerceptualDistance(self.lpips)

    def _lip_sync(self, sound: Path | None) -> Measure:
        if self.expert is None:
            return Missing(*sync.LABELS)
        return sync.LipSync(self.expert, self.sync_crop, sync.sound_of(sound))

    @property
    def labels(self) -> list[Label]:
        """The labels of `measures`."""
        return [label for measure in self.measures() for label in measure.labels]

    def signature(self, detector: Detector, labels: Sequence[Label] | None = None) -> str:
        """Everything that could change a number of `labels`, by default its own, as ``name:value`` joined by ``|``."""
        parts = {
            "dd-eval": __version__,
            "region": _REGIONS[self.region],
            "size": f"{frames.SIZE},cubic",
            "colour": "rgb8-full-range",
            "detector": f"{detector.name}-{detector.version}",
            "align": self.align,
            "register": registration.SETTINGS if self.register else "none",
            **{label.key: label.settings for label in (labels or self.labels)},
            "interval": scores.BOOTSTRAP,
        }
        return "|".join(f"{name}:{value}" for name, value in parts.items())
