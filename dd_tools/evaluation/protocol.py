"""The options of an evaluation, the measures they select, and the signature that records them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dd_tools import __version__
from dd_tools.errors import UsageError
from dd_tools.evaluation import frames, registration, scores
from dd_tools.evaluation.measures.aperture import LipAperture
from dd_tools.evaluation.measures.closures import Closures
from dd_tools.evaluation.measures.frame_mean import FrameMean
from dd_tools.evaluation.measures.identity import Identity
from dd_tools.evaluation.measures.image_quality import ImageQuality
from dd_tools.evaluation.measures.interface import Label, Measure
from dd_tools.evaluation.measures.jitter import Jitter
from dd_tools.evaluation.measures.lip_colour import LIP_COLOUR, lip_colour, mean_delta_e
from dd_tools.evaluation.measures.lip_score import LipScore
from dd_tools.evaluation.measures.lmd import ALIGNED, LMD_KINDS, aligned_lmd, lmd_label, raw_lmd
from dd_tools.evaluation.measures.lpips import LpipsMean, lpips_label
from dd_tools.evaluation.measures.mouth import MatchedMouths
from dd_tools.evaluation.measures.mouth_sharpness import MOUTH_SHARPNESS, mouth_gradient
from dd_tools.evaluation.measures.outside import OUTSIDE, outside_error
from dd_tools.evaluation.measures.psnr import PSNR, psnr
from dd_tools.evaluation.measures.sharpness import ratio_of_means
from dd_tools.evaluation.measures.speech_lips import SpeechLips
from dd_tools.evaluation.measures.ssim import SSIM, ssim
from dd_tools.evaluation.measures.sync import lse
from dd_tools.evaluation.measures.sync.crops import CROPS
from dd_tools.evaluation.measures.teeth import TEETH_SHARPNESS, inner_gradient
from dd_tools.evaluation.measures.unavailable import Unavailable
from dd_tools.evaluation.measures.warped_lmd import WarpedLmd
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.geometry import HEAD_SIDE
from dd_tools.reporting import SILENT

if TYPE_CHECKING:
    from dd_tools.evaluation.given_network import GivenNetwork
    from dd_tools.evaluation.measures.sync.syncnet import SyncExpert
    from dd_tools.nn.lpips import Lpips

STRICT, SHORTEST = ALIGNMENTS = ("strict", "shortest")

_REGION_SETTINGS = {
    frames.LOWER_FACE: f"lower-face(jaw-width,nose-tip-to-chin,margin-{frames.MARGIN})",
    frames.MASK: f"mask(paper-polygon,head-{HEAD_SIDE}-interocular)",
    frames.FULL: "full",
}


@dataclass(frozen=True)
class GivenNetworks:
    """Networks that the user has given; None leaves a measure out."""

    identity: "GivenNetwork | None" = None
    lip_reader: "GivenNetwork | None" = None
    image_quality: "GivenNetwork | None" = None


@dataclass(frozen=True)
class EvaluationProtocol:
    """How pairs are compared. The defaults are the paper's protocol.

    region: what PSNR, SSIM, LPIPS, FID and FVD compare, one of `frames.REGIONS`. lmd: mouth positions for LMD, one of
    `LMD_KINDS`. align: whether videos of different lengths are refused or cut to the shorter one, one of
    `ALIGNMENTS`. register: whether videos with another framing are registered or refused. lpips, expert: the networks
    of LPIPS and LSE; None leaves these measures out. sync_crop: SyncNet's input, one of `CROPS`. given: the networks of
    other measures. Raises `UsageError` for other values.
    """

    region: str = frames.LOWER_FACE
    lmd: str = ALIGNED
    align: str = STRICT
    register: bool = False
    lpips: "Lpips | None" = None
    expert: "SyncExpert | None" = None
    sync_crop: str = "real"
    given: GivenNetworks = GivenNetworks()

    def __post_init__(self):
        choices = {"region": frames.REGIONS, "lmd": LMD_KINDS, "align": ALIGNMENTS, "sync_crop": tuple(CROPS)}
        for option, allowed in choices.items():
            if getattr(self, option) not in allowed:
                name = option.replace("_", " ")
                raise UsageError(f"unknown {name} '{getattr(self, option)}', expected {', '.join(allowed)}")

    def measures(self, audio: Path | None = None, say: Callable[[str], None] = SILENT.say) -> list[Measure]:
        """New measures for one clip, in the order of the table.

        audio: the file whose audio track is heard. say: called with one line if part of it cannot be decoded.
        """
        say_once = SILENT.say if self.expert else say  # LSE reads the same audio
        return [
            FrameMean(PSNR, psnr),
            FrameMean(SSIM, ssim),
            LpipsMean(self.lpips) if self.lpips else Unavailable(lpips_label(None)),
            FrameMean(lmd_label(self.lmd), aligned_lmd if self.lmd == ALIGNED else raw_lmd),
            WarpedLmd(self.lmd),
            self._lip_sync(audio, say),
            LipAperture(),
            Closures(),
            SpeechLips(lse.audio_of(audio, say_once)),
            Jitter(),
            MatchedMouths(LIP_COLOUR, lip_colour, mean_delta_e),
            MatchedMouths(MOUTH_SHARPNESS, mouth_gradient, ratio_of_means),
            MatchedMouths(TEETH_SHARPNESS, inner_gradient, ratio_of_means),
            FrameMean(OUTSIDE, outside_error),
            *self._given_measures(),
        ]

    def _given_measures(self) -> list[Measure]:
        """The measures whose networks the user has given; the table has no columns for the others."""
        given = self.given
        kinds = ((given.identity, Identity), (given.lip_reader, LipScore), (given.image_quality, ImageQuality))
        return [measure(network) for network, measure in kinds if network]

    def _lip_sync(self, audio: Path | None, say: Callable[[str], None]) -> Measure:
        if self.expert is None:
            return Unavailable(*lse.LABELS)
        return lse.LipSync(self.expert, self.sync_crop, lse.audio_of(audio, say))

    @property
    def labels(self) -> list[Label]:
        """The labels of `measures`."""
        return [label for measure in self.measures() for label in measure.labels]

    @property
    def measured(self) -> list[str]:
        """The keys of the measures whose networks are there."""
        measures = (measure for measure in self.measures() if not isinstance(measure, Unavailable))
        return [label.key for measure in measures for label in measure.labels]

    def signature(self, detector: Detector, labels: Sequence[Label] | None = None) -> str:
        """Every setting that can change a score, as ``name:value`` joined by ``|``.

        labels: of the measures in the report; by default the property `labels`.
        """
        settings = {
            "dd-eval": __version__,
            "region": _REGION_SETTINGS[self.region],
            "size": f"{frames.SIZE},cubic",
            "colour": "rgb8-full-range",
            "detector": f"{detector.name}-{detector.version}",
            "align": self.align,
            "register": registration.SETTINGS if self.register else "none",
            **{label.key: label.settings for label in (labels or self.labels)},
            "interval": scores.BOOTSTRAP,
        }
        return "|".join(f"{name}:{value}" for name, value in settings.items())
