"""How much of the lips does a speech model hear? Ridge regression from features to lip aperture, speakers held out in
turn.

usage: speech_features.py CLIP.h5... [--speakers FILE.tsv] [--models mel,moonshine]

Prints, for each model, the correlation (Pearson's r) of predicted and true inner-lip distance within a clip, averaged
over a speaker's clips and then over speakers, each predicted from all the others. The clips' source videos must still
lie where dd-prep found them, at 25 pictures a second.
"""

import argparse
from pathlib import Path

import numpy as np

from dd_tools.formats.clip import Clip
from dd_tools.media.audio import read_audio
from dd_tools.speech.features import open_speech_model
from dd_tools.training.clips import read_speakers

TAPS = range(-2, 3)  # pictures before and after that are heard
RIDGES = (1e2, 1e3, 1e4, 1e5)


def aperture(clip: Clip) -> np.ndarray:
    """Distance of the inner lips (T,), zero mean and unit deviation within the clip."""
    opening = np.linalg.norm(clip.landmarks[:, 62] - clip.landmarks[:, 66], axis=1)
    return (opening - opening.mean()) / opening.std()


def heard(model, path: str) -> np.ndarray:
    """Features of the pictures around each (T25, taps × D)."""
    features = model.features(read_audio(path)).astype(np.float32).mean(0)
    pictures = features.reshape(-1, 2, features.shape[1]).mean(1)
    places = np.arange(len(pictures))
    return np.concatenate([pictures[np.clip(places + tap, 0, len(pictures) - 1)] for tap in TAPS], axis=1)


def correlation(inputs: list[np.ndarray], truths: list[np.ndarray], speakers: list[str], ridge: float) -> float:
    """Mean over speakers of the correlation within their clips, predicted from everyone else's."""
    everything = np.concatenate(inputs)
    mean, deviation = everything.mean(0), everything.std(0) + 1e-6
    inputs = [((part - mean) / deviation).astype(np.float64) for part in inputs]
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
    parser.add_argument("--speakers", type=Path)
    parser.add_argument("--models", default="mel,moonshine")
    options = parser.parse_args()
    names = read_speakers(options.speakers) if options.speakers else {}
    truths, sources = [], []
    for path in options.clips:
        with Clip(path) as clip:
            truths.append(aperture(clip))
            sources.append(clip.source.path)
    speakers = [names.get(path.stem, path.stem) for path in options.clips]
    for name in options.models.split(","):
        model = open_speech_model(name)
        inputs = [heard(model, source) for source in sources]
        lengths = [min(len(part), len(truth)) for part, truth in zip(inputs, truths, strict=True)]
        cut = [[part[:length] for part, length in zip(parts, lengths, strict=True)] for parts in (inputs, truths)]
        best = max(RIDGES, key=lambda ridge: correlation(*cut, speakers, ridge))
        print(f"{name}: r = {correlation(*cut, speakers, best):.3f} (ridge {best:g}, {len(set(speakers))} speakers)")


if __name__ == "__main__":
    main()
