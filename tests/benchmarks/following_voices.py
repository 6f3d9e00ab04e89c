"""Does the mouth follow driving audio of other speakers and languages? Lip aperture of dubbed videos against loudness.

    python tests/benchmarks/following_voices.py VIDEO... --voices AUDIO... [--renderer FILE] [--motion FILE]

Two correlations: of the syllables, from 2 to 7 Hz, where mouths follow the amplitude of speech (Chandrasekaran et al.
2009), and of the unfiltered tracks. Loudness is the root mean square of 40 ms, for the latter smoothed over five of
them. The first row of each video compares its own lips and audio, which only says how far people themselves do so: they
also open the mouth before they speak, and speak loudly with nearly closed lips.
"""

import argparse
from pathlib import Path

import numpy as np
from leaking_lips import NAMES, dubbed, options_of, prepared

from dd_tools.face.affine import transform
from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.landmarks import lip_aperture
from dd_tools.formats.clip import Clip
from dd_tools.media.audio import SAMPLE_RATE, read_audio
from dd_tools.pipeline.encode import encode_references
from dd_tools.pipeline.generate import generate_from
from dd_tools.pipeline.interfaces import Renderer
from dd_tools.pipeline.models import load_motion_model, load_renderer
from dd_tools.speech.loudness import rhythm
from dd_tools.speech.registry import open_speech_model

STEP = 0.04  # seconds


def loudness(samples: np.ndarray) -> np.ndarray:
    """Of samples in [-1, 1], 25 per second."""
    length = round(STEP * SAMPLE_RATE)
    count = len(samples) // length
    return np.sqrt(np.square(samples[: count * length]).reshape(count, length).mean(1))


def correlations(times: np.ndarray, apertures: np.ndarray, samples: np.ndarray) -> tuple[float, float]:
    """Of lip apertures with loudness, as long as both last: of the syllables, and unfiltered."""
    loud = loudness(samples)
    moments = np.arange(len(loud)) * STEP  # when the frame appears that is seen while these samples are heard
    loud = loud[moments <= times[-1]]
    lips = np.interp(moments[: len(loud)], times, apertures)
    smooth = np.convolve(loud, np.ones(5) / 5, "same")
    pairs = (rhythm(lips), rhythm(loud)), (lips, smooth)
    return tuple(float(np.corrcoef(*pair)[0, 1]) for pair in pairs)


def lips_of(
    video: Path, clip: Clip, renderer: Renderer, latents: np.ndarray, detector
) -> tuple[np.ndarray, np.ndarray]:
    """Times (N,) in seconds and lip apertures (N,) of the video dubbed with `latents`."""
    rows = []
    for index, _, after, _ in dubbed(video, clip, renderer, latents):
        source = transform(clip.landmarks[index], clip.crop_to_source[index]).astype(np.float32)
        if (found := detector.follow(after, source)) is not None:
            rows.append((clip.pts[index], lip_aperture(found)))
    return tuple(np.array(rows).T)


def report(video: Path, audio: str, found: tuple[float, float]) -> None:
    """One line."""
    print(f"{video.stem[:24]:24} {audio[:24]:24} " + " ".join(f"{r:6.2f}" for r in found), flush=True)


def main() -> None:
    """Print a line for each video and audio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--voices", nargs="+", type=Path, required=True, help="driving audio")
    options = options_of(parser)
    renderer, motion, detector = load_renderer(options.renderer), load_motion_model(options.motion), open_detector()
    speech_model = open_speech_model(motion.speech_model)
    for video, clip in prepared(options.videos, renderer, detector):
        usable, reference = clip.usable, encode_references(renderer, motion, clip, 75)
        own = correlations(clip.pts[usable], lip_aperture(clip.landmarks[usable]), read_audio(video))
        report(video, "as filmed", own)
        for path in options.voices:
            samples = read_audio(path)[: round((clip.pts[-1] + STEP) * SAMPLE_RATE)]
            latents = generate_from(motion, speech_model.features(samples), reference, names=NAMES)
            times, apertures = lips_of(video, clip, renderer, latents, detector)
            report(video, path.stem, correlations(times, apertures, samples))


if __name__ == "__main__":
    main()
