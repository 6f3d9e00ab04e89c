"""How well speech features predict lip aperture: ridge regression with leave-one-speaker-out cross-validation.

usage: speech_features.py CLIP.h5... --videos FOLDER [--speakers FILE.tsv] [--models mel,whisper]

Prints, for each layer of each model, the correlation (Pearson's r) of predicted and true lip aperture within a clip,
averaged over a speaker's clips and then over speakers, each predicted from all others. FOLDER has the videos, of 25
frames per second, that the clips were cut from.
"""

import argparse
from pathlib import Path

import numpy as np

from dd_tools.formats.clip import Clip
from dd_tools.media.audio import read_audio
from dd_tools.speech.registry import open_speech_model
from dd_tools.training.clips import read_speakers

TAPS = range(-2, 3)  # neighbouring frames whose features are used
RIDGES = (1e2, 1e3, 1e4, 1e5)


def aperture(clip: Clip) -> np.ndarray:
    """Lip aperture (T,), normalised to zero mean and unit standard deviation within the clip."""
    values = np.linalg.norm(clip.landmarks[:, 62] - clip.landmarks[:, 66], axis=1)
    return (values - values.mean()) / values.std()


def neighbouring_features(features: np.ndarray) -> np.ndarray:
    """Features (T, taps × D) of each frame and its neighbours at 25 per second, from (2 T, D) at 50 per second."""
    features = features.astype(np.float32).reshape(-1, 2, features.shape[1]).mean(1)
    indices = np.arange(len(features))
    return np.concatenate([features[np.clip(indices + tap, 0, len(features) - 1)] for tap in TAPS], axis=1)


def correlation(inputs: list[np.ndarray], truths: list[np.ndarray], speakers: list[str], ridge: float) -> float:
    """Mean over speakers of the correlation within their clips, predicted from the clips of all others."""
    stacked = np.concatenate(inputs)
    mean, std = stacked.mean(0), stacked.std(0) + 1e-6
    inputs = [((part - mean) / std).astype(np.float64) for part in inputs]
    scores = []
    for speaker in sorted(set(speakers)):
        kept = [index for index, other in enumerate(speakers) if other != speaker]
        left = sum(inputs[index].T @ inputs[index] for index in kept) + ridge * np.eye(inputs[0].shape[1])
        weights = np.linalg.solve(left, sum(inputs[index].T @ truths[index] for index in kept))
        own = [index for index, other in enumerate(speakers) if other == speaker]
        scores.append(np.mean([np.corrcoef(inputs[index] @ weights, truths[index])[0, 1] for index in own]))
    return float(np.mean(scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--speakers", type=Path)
    parser.add_argument("--models", default="mel,whisper")
    options = parser.parse_args()
    names = read_speakers(options.speakers) if options.speakers else {}
    truths, sources = [], []
    for path in options.clips:
        with Clip(path) as clip:
            truths.append(aperture(clip))
            sources.append(options.videos / clip.source.name)
    speakers = [names.get(path.stem, path.stem) for path in options.clips]
    for name in options.models.split(","):
        model = open_speech_model(name)
        features = [model.features(read_audio(source)) for source in sources]
        for layer in range(model.layers):
            inputs = [neighbouring_features(part[layer]) for part in features]
            lengths = [min(len(part), len(truth)) for part, truth in zip(inputs, truths, strict=True)]
            cut = [[part[:length] for part, length in zip(parts, lengths, strict=True)] for parts in (inputs, truths)]
            scores = {ridge: correlation(*cut, speakers, ridge) for ridge in RIDGES}
            best = max(scores, key=scores.get)
            print(f"{name}, layer {layer}: r = {scores[best]:.3f} (ridge {best:g}, {len(set(speakers))} speakers)")


if __name__ == "__main__":
    main()
