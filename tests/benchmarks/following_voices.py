"""Does the mouth follow a voice it never heard? Lip aperture of videos dubbed with each voice, against its loudness.

    python tests/benchmarks/following_voices.py VIDEO... --voices VOICE... [--renderer FILE] [--motion FILE]

Two correlations: in the syllables, 2 to 7 Hz, where mouths go with the voice (Chandrasekaran et al. 2009), and of
the tracks as they are. Loudness is the root mean square of 40 ms, for the latter smoothed over five of them. The first
row of each video is what its own lips do with its own voice, which is no more than a measure of the measure: people
also open the mouth before they speak, and speak loudly with lips nearly shut.
"""

import argparse
from pathlib import Path

import numpy as np
from dd_tools.motion.generation import generate
from dd_tools.motion.model import load_motion_model
from dd_tools.renderer.autoencoder import load_renderer
from dd_tools.renderer.encoding import encode_references
from leaking_lips import dubbed, options_of, prepared

from dd_tools.face.affine import transform
from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.landmarks import lip_aperture
from dd_tools.formats.clip import Clip
from dd_tools.media.audio import SAMPLE_RATE, read_audio
from dd_tools.speech.loudness import rhythm
from dd_tools.speech.registry import open_speech_model

STEP = 0.04  # seconds


def loudness(voice: np.ndarray) -> np.ndarray:
    """Of samples in [-1, 1], at 25 a second."""
    samples = round(STEP * SAMPLE_RATE)
    count = len(voice) // samples
    return np.sqrt(np.square(voice[: count * samples]).reshape(count, samples).mean(1))


def correlations(times: np.ndarray, apertures: np.ndarray, voice: np.ndarray) -> tuple[float, float]:
    """Of lip apertures with the voice's loudness, as long as both last: in the syllables, and as they are."""
    loud = loudness(voice)
    moments = np.arange(len(loud)) * STEP  # when the picture appears that is seen while these are heard
    loud = loud[moments <= times[-1]]
    lips = np.interp(moments[: len(loud)], times, apertures)
    smooth = np.convolve(loud, np.ones(5) / 5, "same")
    pairs = (rhythm(lips), rhythm(loud)), (lips, smooth)
    return tuple(float(np.corrcoef(*pair)[0, 1]) for pair in pairs)


def lips_of(video: Path, clip: Clip, renderer, latents: np.ndarray, detector) -> tuple[np.ndarray, np.ndarray]:
    """Times (N,) in seconds and lip apertures (N,) of the video dubbed with `latents`."""
    rows = []
    for index, _, after, _ in dubbed(video, clip, renderer, latents):
        there = transform(clip.landmarks[index], clip.crop_to_source[index]).astype(np.float32)
        if (found := detector.follow(after, there)) is not None:
            rows.append((clip.pts[index], lip_aperture(found)))
    return tuple(np.array(rows).T)


def report(video: Path, voice: str, found: tuple[float, float]) -> None:
    """One line."""
    print(f"{video.stem[:24]:24} {voice[:24]:24} " + " ".join(f"{r:6.2f}" for r in found), flush=True)


def main() -> None:
    """Print a line for each video and voice."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--voices", nargs="+", type=Path, required=True)
    options = options_of(parser)
    renderer, motion, detector = load_renderer(options.renderer), load_motion_model(options.motion), open_detector()
    ear = open_speech_model(motion.config.speech_model)
    for video, clip in prepared(options.videos, renderer, detector):
        usable, reference = clip.usable, encode_references(renderer, clip, 75, anywhere=motion.config.residual)
        own = correlations(clip.pts[usable], lip_aperture(clip.landmarks[usable]), read_audio(video))
        report(video, "as filmed", own)
        for path in options.voices:
            voice = read_audio(path)[: round((clip.pts[-1] + STEP) * SAMPLE_RATE)]
            latents = generate(motion, ear.features(voice), reference)
            times, apertures = lips_of(video, clip, renderer, latents, detector)
            report(video, path.stem, correlations(times, apertures, voice))


if __name__ == "__main__":
    main()
