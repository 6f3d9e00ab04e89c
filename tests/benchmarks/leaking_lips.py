"""Does the source's mouth show through? The lips of videos dubbed with silence, and with their own voice, against the
source's; and whether the painted region is as sharp as the source.

    python tests/benchmarks/leaking_lips.py VIDEO... [--renderer FILE] [--motion FILE]

Under silence the correlation with the source's lip aperture should be near nothing and the spread of the aperture
small; with the own voice both should be near 1. Sharpness is the energy of the picture's gradient where it was painted,
as a share of the source's, and the same for a band across the mask's rim. The mask is the renderer's.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from dd_tools.motion.generation import generate
from dd_tools.motion.model import load_motion_model
from dd_tools.renderer.autoencoder import load_renderer
from dd_tools.renderer.encoding import encode_references
from dd_tools.renderer.rendering import Painter, shared_noise
from dd_tools.renderer.timing import timeline

from dd_tools.face.affine import transform
from dd_tools.face.compositing import paste
from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.landmarks import lip_aperture
from dd_tools.face.preparation import prepare_clip
from dd_tools.face.settings import PrepSettings
from dd_tools.formats.clip import Clip
from dd_tools.media.audio import SAMPLE_RATE, read_audio
from dd_tools.media.video import read_frames
from dd_tools.speech.registry import open_speech_model
from dd_tools.weights import default_weights

RIM = 5  # pixels of the crop on either side of the mask's edge


def dubbed(
    video: Path, clip: Clip, renderer, latents: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Of each usable frame: its number, source, result, and where the crop and its mask lie (float map of the mask)."""
    painter = Painter(renderer, clip, shared_noise(clip.size, 0))
    painted = painter.paint(latents, timeline(clip, len(latents)))
    for item, frame in zip(painted, read_frames(video), strict=False):
        if item.opacity == 1:
            place = clip.crop_to_source[item.index]
            result = paste(frame.image, item.crop, item.known, item.mask, place)
            size = frame.image.shape[1::-1]
            yield item.index, frame.image, result, cv2.warpAffine(item.mask.astype(np.float32), place, size)


def sharpness(image: np.ndarray, where: np.ndarray) -> float:
    """Mean energy of the gradient of the grey picture `where` (H, W)."""
    down, right = np.gradient(image.mean(-1))
    return float((np.square(down) + np.square(right))[where].mean())


def measure(video: Path, clip: Clip, renderer, latents: np.ndarray, detector) -> tuple[float, float, float, float]:
    """Correlation and spread of the lip aperture, sharpness in the mask and across its rim, all against the source."""
    apertures, sharp = [], []
    for index, before, after, mask in dubbed(video, clip, renderer, latents):
        there = transform(clip.landmarks[index], clip.crop_to_source[index]).astype(np.float32)
        found = detector.follow(after, there)
        if found is not None:
            apertures.append((lip_aperture(there), lip_aperture(found)))
        reach = max(1, round(RIM * float(np.hypot(*clip.crop_to_source[index][:, 0]))))
        around = np.ones((2 * reach + 1,) * 2)
        rim = (cv2.dilate(mask, around) > 0.5) & (cv2.erode(mask, around) < 0.5)
        sharp.append([sharpness(after, where) / sharpness(before, where) for where in (mask > 0.5, rim)])
    truth, made = np.array(apertures).T
    return np.corrcoef(truth, made)[0, 1], made.std() / truth.std(), *np.mean(sharp, 0)


def options_of(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line of `parser` with videos, --renderer and --motion besides."""
    parser.add_argument("videos", nargs="+", type=Path)
    for name in ("renderer", "motion"):
        parser.add_argument(f"--{name}", type=Path, default=default_weights(name))
    return parser.parse_args()


def prepared(videos: list[Path], renderer, detector) -> Iterator[tuple[Path, Clip]]:
    """Each video with its clip as the renderer takes it."""
    config = renderer.config
    settings = PrepSettings(size=config.size, crop=config.crop, mask=config.mask)
    for video in videos:
        with tempfile.TemporaryDirectory() as folder:
            prepare_clip(video, Path(folder) / "clip.h5", settings, detector=detector)
            with Clip(Path(folder) / "clip.h5") as clip:
                yield video, clip


def main() -> None:
    """Print a line for each video and voice."""
    options = options_of(argparse.ArgumentParser())
    renderer, motion, detector = load_renderer(options.renderer), load_motion_model(options.motion), open_detector()
    ear = open_speech_model(motion.config.speech_model)
    mask = f"mask {renderer.config.mask}"
    print(f"{mask:24} {'voice':8} {'r':>6} {'spread':>7} {'sharpness':>10} {'at rim':>7}")
    for video, clip in prepared(options.videos, renderer, detector):
        reference, voice = encode_references(renderer, clip, 75, anywhere=motion.config.residual), read_audio(video)
        length = round((clip.pts[-1] + 0.04) * SAMPLE_RATE)
        voice = np.pad(voice, (0, max(0, length - len(voice))))[:length]
        for name, sound in (("silence", np.zeros_like(voice)), ("own", voice)):
            latents = generate(motion, ear.features(sound), reference)
            r, spread, inside, rim = measure(video, clip, renderer, latents, detector)
            print(f"{video.stem[:24]:24} {name:8} {r:6.2f} {spread:7.2f} {inside:10.2f} {rim:7.2f}", flush=True)


if __name__ == "__main__":
    main()
