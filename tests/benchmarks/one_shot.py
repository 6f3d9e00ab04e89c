"""Does a portrait speak? Lip aperture as painted from a single frame, against what the motion model asks for.

    python tests/benchmarks/one_shot.py PORTRAIT... --voice AUDIO [--sheet PNG] [--renderer FILE] [--motion FILE]

A PORTRAIT is an image, or a video, of which the frame with the least common mouth is taken: a smile or an open mouth
rather than a face at rest. Apertures are in interocular distances. Slope and r are those of the painted aperture
against that of the motion; a slope of 1 would be perfect. `shut` is where the motion asks for less than 0.03: the mean
painted aperture there, and how often it is below 0.03 too. `silence` is the standard deviation of the aperture when the
audio is silent, divided by that with speech. The sheet shows the portrait, then it while it speaks, from the smallest
aperture asked for to the largest.
"""

import tempfile
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dd_tools.evaluation.measures.closures import CLOSED
from dd_tools.evaluation.measures.mouth import relative_aperture
from dd_tools.face.affine import transform
from dd_tools.face.compositing import paste
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.geometry import fit_poses, scale_of
from dd_tools.face.landmarks import MOUTH
from dd_tools.face.preparation import prepare_clip
from dd_tools.face.settings import PrepSettings
from dd_tools.formats.clip import Clip
from dd_tools.media.audio import read_audio
from dd_tools.media.video import probe, read_frames
from dd_tools.pipeline.encode import encode_references
from dd_tools.pipeline.generate import generate_from
from dd_tools.pipeline.interfaces import MotionModel, Renderer
from dd_tools.pipeline.models import load_motion_model, load_renderer
from dd_tools.pipeline.painting import Speaker
from dd_tools.speech.registry import open_speech_model
from dd_tools.warp.latents import latent_aperture

COLUMNS = 8
NAMES = ("the speech", "the latents", "the motion model")


def portrait_of(path: Path, folder: Path, settings: PrepSettings, detector: Detector) -> Path:
    """The image itself, or that frame of a video whose lips differ most from their mean shape, as an image."""
    if probe(path).frame_rate == 0:
        return path
    prepare_clip(path, folder / "video.h5", settings, detector=detector)
    with Clip(folder / "video.h5") as clip:
        lips = clip.landmarks[clip.usable][:, MOUTH]
        lips = (lips - lips.mean(1, keepdims=True)) / scale_of(fit_poses(clip.landmarks[clip.usable]))[:, None, None]
        index = clip.usable[np.linalg.norm(lips - lips.mean(0), axis=-1).mean(-1).argmax()]
    frame = next(frame.image for number, frame in enumerate(read_frames(path)) if number == index)
    Image.fromarray(frame).save(folder / "portrait.png")
    return folder / "portrait.png"


def spoken(
    image: np.ndarray, clip: Clip, renderer: Renderer, latents: np.ndarray, detector: Detector
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Lip apertures (T,) and crops of the portrait with the motion `latents` (T, Z)."""
    speaker = Speaker(clip, latents, renderer, loop="hold", tail="silence")
    source = transform(clip.landmarks[0], clip.crop_to_source[0]).astype(np.float32)
    apertures, crops = [], []
    for item in speaker.paint(slice(0, len(latents)), 8):
        result = paste(image, item.painted, item.known, item.mask, clip.crop_to_source[item.index], item.opacity)
        found = detector.follow(result, source)
        apertures.append(np.nan if found is None else relative_aperture(found))
        crops.append(item.crop)
    return np.array(apertures), crops


def measures(asked: np.ndarray, painted: np.ndarray, silent: np.ndarray) -> list[float]:
    """The numbers of a row of the table, from apertures (T,) in interocular distances."""
    known = np.isfinite(painted)
    asked, painted = asked[known], painted[known]
    slope, r = np.cov(asked, painted)[0, 1] / asked.var(ddof=1), np.corrcoef(asked, painted)[0, 1]
    shut = painted[asked < CLOSED]
    closed = [shut.mean(), (shut < CLOSED).mean()] if len(shut) else [np.nan] * 2
    return [
        asked.std(),
        painted.std(),
        painted.std() / asked.std(),
        slope,
        r,
        *closed,
        np.nanstd(silent) / painted.std(),
    ]


def speak(
    path: Path, samples: np.ndarray, renderer: Renderer, motion: MotionModel, detector: Detector
) -> tuple[list[float], np.ndarray]:
    """The measures of one portrait, and its row of the sheet."""
    framing, speech_model = renderer.framing, open_speech_model(motion.speech_model)
    settings = PrepSettings(size=framing.size, crop=framing.crop, mask=framing.mask)
    with tempfile.TemporaryDirectory() as name:
        portrait = portrait_of(path, Path(name), settings, detector)
        prepare_clip(portrait, Path(name) / "clip.h5", settings, detector=detector)
        image = next(read_frames(portrait)).image
        with Clip(Path(name) / "clip.h5") as clip:
            reference = encode_references(renderer, motion, clip, 1)
            runs = []
            for audio in (samples, np.zeros_like(samples)):
                latents = generate_from(motion, speech_model.features(audio), reference, names=NAMES)
                runs.append((latents, *spoken(image, clip, renderer, latents, detector)))
            known = clip.frames[0]
    (latents, painted, crops), (_, silent, _) = runs
    asked = latent_aperture(torch.from_numpy(latents)).numpy()
    shown = np.argsort(asked)[np.linspace(0, len(asked) - 1, COLUMNS).round().astype(int)]
    return measures(asked, painted, silent), np.hstack([known, *(crops[index] for index in shown)])


def main() -> None:
    """Print a line for each portrait, and the means."""
    parser = ArgumentParser()
    parser.add_argument("portraits", nargs="+", type=Path)
    parser.add_argument("--voice", type=Path, required=True)
    parser.add_argument("--sheet", type=Path)
    for name in ("renderer", "motion"):
        parser.add_argument(f"--{name}", type=Path, help="weights file; the shipped one by default")
    options = parser.parse_args()
    renderer, motion, detector = load_renderer(options.renderer), load_motion_model(options.motion), open_detector()
    samples, rows, sheet = read_audio(options.voice), [], []
    names = "asked std", "painted std", "ratio", "slope", "r", "shut", "share shut", "silence"
    print(f"{'portrait':24}", *(f"{name:>11}" for name in names))
    for path in options.portraits:
        row, pixels = speak(path, samples, renderer, motion, detector)
        rows.append(row)
        sheet.append(pixels)
        print(f"{path.stem[:24]:24}", *(f"{value:11.3f}" for value in row), flush=True)
    print(f"{'mean':24}", *(f"{value:11.3f}" for value in np.nanmean(rows, 0)))
    if options.sheet:
        Image.fromarray(np.vstack(sheet)).save(options.sheet)


if __name__ == "__main__":
    main()
