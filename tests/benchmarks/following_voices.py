"""Does the mouth follow a voice it never heard? Lip aperture of videos dubbed with each voice, against its loudness.

    python tests/benchmarks/following_voices.py VIDEO... --voices VOICE... [--renderer FILE] [--motion FILE]

The first row of each video is what its own lips do with its own voice, which is no more than a measure of the measure:
people also open the mouth before they speak, and speak loudly with lips nearly shut. Loudness is the root mean square
of 40 ms, smoothed over five of them.
"""

import argparse
from pathlib import Path

import numpy as np
from leaking_lips import dubbed, options_of, prepared

from dd_tools.face.landmarks import lip_aperture, open_detector
from dd_tools.face.warping import transform
from dd_tools.formats.clip import Clip
from dd_tools.media.audio import SAMPLE_RATE, read_audio
from dd_tools.motion.generation import generate
from dd_tools.motion.model import load_motion_model
from dd_tools.renderer.autoencoder import load_renderer
from dd_tools.renderer.encoding import encode_references
from dd_tools.speech.features import open_speech_model

STEP = 0.04  # seconds


def loudness_at(voice: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Of samples in [-1, 1], at `times` (N,) in seconds."""
    samples = round(STEP * SAMPLE_RATE)
    count = len(voice) // samples
    each = np.sqrt(np.square(voice[: count * samples]).reshape(count, samples).mean(1))
    return np.interp(times, (np.arange(count) + 0.5) * STEP, np.convolve(each, np.ones(5) / 5, "same"))


def correlation(times: np.ndarray, apertures: np.ndarray, voice: np.ndarray) -> float:
    """Of lip apertures with the voice's loudness, as long as both last."""
    heard = times < len(voice) / SAMPLE_RATE
    return float(np.corrcoef(apertures[heard], loudness_at(voice, times[heard]))[0, 1])


def lips_of(video: Path, clip: Clip, renderer, latents: np.ndarray, detector) -> tuple[np.ndarray, np.ndarray]:
    """Times (N,) in seconds and lip apertures (N,) of the video dubbed with `latents`."""
    rows = []
    for index, _, after, _ in dubbed(video, clip, renderer, latents):
        there = transform(clip.landmarks[index], clip.crop_to_source[index]).astype(np.float32)
        if (found := detector.follow(after, there)) is not None:
            rows.append((clip.pts[index], lip_aperture(found)))
    return tuple(np.array(rows).T)


def main() -> None:
    """Print a line for each video and voice."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--voices", nargs="+", type=Path, required=True)
    options = options_of(parser)
    renderer, motion, detector = load_renderer(options.renderer), load_motion_model(options.motion), open_detector()
    ear = open_speech_model(motion.config.speech_model)
    for video, clip in prepared(options.videos, renderer, detector):
        usable, reference = clip.usable, encode_references(renderer, clip, 75, anywhere=motion.config.residual)
        own = correlation(clip.pts[usable], lip_aperture(clip.landmarks[usable]), read_audio(video))
        print(f"{video.stem[:24]:24} {'as filmed':24} {own:6.2f}", flush=True)
        for path in options.voices:
            voice = read_audio(path)[: round((clip.pts[-1] + STEP) * SAMPLE_RATE)]
            latents = generate(motion, ear.features(voice), reference)
            times, apertures = lips_of(video, clip, renderer, latents, detector)
            r = correlation(times, apertures, voice)
            print(f"{video.stem[:24]:24} {path.stem[:24]:24} {r:6.2f}", flush=True)


if __name__ == "__main__":
    main()
