"""Does the source's mouth show through? Lips of videos dubbed with silence and with their own audio, against its own.

    python tests/benchmarks/leaking_lips.py VIDEO... [--renderer FILE] [--motion FILE]

With silence, the correlation with the source's lip aperture should be near 0 and the standard deviation of the aperture
small; with the own audio both should be near 1. Sharpness is the energy of the image gradient in the painted region as
a share of the source's; the same for a band across the edge of the mask.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from dd_tools.face.affine import transform
from dd_tools.face.compositing import paste
from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.landmarks import lip_aperture
from dd_tools.face.preparation import prepare_clip
from dd_tools.face.settings import PrepSettings
from dd_tools.formats.clip import Clip
from dd_tools.media.audio import SAMPLE_RATE, read_audio
from dd_tools.media.video import read_frames
from dd_tools.pipeline.encode import encode_references
from dd_tools.pipeline.generate import generate_from
from dd_tools.pipeline.interfaces import Renderer
from dd_tools.pipeline.models import load_motion_model, load_renderer
from dd_tools.pipeline.painting import Speaker
from dd_tools.speech.registry import open_speech_model

EDGE = 5  # pixels of the crop on either side of the mask's edge
NAMES = ("the speech", "the latents", "the motion model")


def dubbed(
    video: Path, clip: Clip, renderer: Renderer, latents: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Of each frame with a face: number, source frame, result, and the mask as a map of floats over the frame."""
    speaker = Speaker(clip, latents, renderer, loop="stop", tail="silence")
    for item, frame in zip(speaker.paint(slice(0, clip.length), 8), read_frames(video), strict=False):
        if item.opacity == 1:
            place = clip.crop_to_source[item.index]
            result = paste(frame.image, item.painted, item.known, item.mask, place)
            size = frame.image.shape[1::-1]
            yield item.index, frame.image, result, cv2.warpAffine(item.mask.astype(np.float32), place, size)


def sharpness(image: np.ndarray, where: np.ndarray) -> float:
    """Mean energy of the gradient of the grey image `where` (H, W)."""
    down, right = np.gradient(image.mean(-1))
    return float((np.square(down) + np.square(right))[where].mean())


def measure(video: Path, clip: Clip, renderer: Renderer, latents: np.ndarray, detector) -> tuple[float, ...]:
    """Correlation and relative standard deviation of lip aperture, sharpness in the mask and across its edge."""
    apertures, sharp = [], []
    for index, before, after, mask in dubbed(video, clip, renderer, latents):
        source = transform(clip.landmarks[index], clip.crop_to_source[index]).astype(np.float32)
        found = detector.follow(after, source)
        if found is not None:
            apertures.append((lip_aperture(source), lip_aperture(found)))
        reach = max(1, round(EDGE * float(np.hypot(*clip.crop_to_source[index][:, 0]))))
        around = np.ones((2 * reach + 1,) * 2)
        edge = (cv2.dilate(mask, around) > 0.5) & (cv2.erode(mask, around) < 0.5)
        sharp.append([sharpness(after, where) / sharpness(before, where) for where in (mask > 0.5, edge)])
    true, painted = np.array(apertures).T
    return np.corrcoef(true, painted)[0, 1], painted.std() / true.std(), *np.mean(sharp, 0)


def options_of(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line of `parser` with videos, --renderer and --motion in addition."""
    parser.add_argument("videos", nargs="+", type=Path)
    for name in ("renderer", "motion"):
        parser.add_argument(f"--{name}", type=Path, help="weights file; the shipped one by default")
    return parser.parse_args()


def prepared(videos: list[Path], renderer: Renderer, detector) -> Iterator[tuple[Path, Clip]]:
    """Each video with its clip, framed as the renderer takes it."""
    framing = renderer.framing
    settings = PrepSettings(size=framing.size, crop=framing.crop, mask=framing.mask)
    for video in videos:
        with tempfile.TemporaryDirectory() as folder:
            prepare_clip(video, Path(folder) / "clip.h5", settings, detector=detector)
            with Clip(Path(folder) / "clip.h5") as clip:
                yield video, clip


def main() -> None:
    """Print a line for each video and audio."""
    options = options_of(argparse.ArgumentParser())
    renderer, motion, detector = load_renderer(options.renderer), load_motion_model(options.motion), open_detector()
    speech_model = open_speech_model(motion.speech_model)
    mask = f"mask {renderer.framing.mask}"
    print(f"{mask:24} {'audio':8} {'r':>6} {'std':>7} {'sharpness':>10} {'at edge':>8}")
    for video, clip in prepared(options.videos, renderer, detector):
        reference, audio = encode_references(renderer, motion, clip, 75), read_audio(video)
        length = round((clip.pts[-1] + 0.04) * SAMPLE_RATE)
        audio = np.pad(audio, (0, max(0, length - len(audio))))[:length]
        for name, samples in (("silence", np.zeros_like(audio)), ("own", audio)):
            latents = generate_from(motion, speech_model.features(samples), reference, names=NAMES)
            r, std, inside, edge = measure(video, clip, renderer, latents, detector)
            print(f"{video.stem[:24]:24} {name:8} {r:6.2f} {std:7.2f} {inside:10.2f} {edge:8.2f}", flush=True)


if __name__ == "__main__":
    main()
