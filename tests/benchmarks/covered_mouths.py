"""How well covered mouths are told from free ones: python covered_mouths.py [--fit] CLIP.h5...

The clips must show free mouths only, in face crops. Covers are drawn on a few frames of each: ellipses and boxes over
the mouth, which must be found, and below it or on a cheek, which must not; the face mesh then places its landmarks
again. --fit prints the weights that a logistic regression finds for these clips, and the constant term; the threshold
of `dd_tools.face.covering` is at a score for which hardly any free mouth is lost.
"""

import sys
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch.nn.functional import binary_cross_entropy_with_logits

from dd_tools.face.affine import transform
from dd_tools.face.covering import THRESHOLD, WEIGHTS, lip_signs
from dd_tools.face.detectors.mesh_detector import MeshDetector
from dd_tools.face.geometry import fit_poses
from dd_tools.face.usability import VOTE_FRAMES
from dd_tools.formats.clip import Clip

DRAWN = 12  # frames of each clip on which covers are drawn
COLOURS = ("dark", "grey", "any colour", "skin")
PLACES = ("over the mouth", "below the mouth", "on a cheek")


def outline(place: str, rng: np.random.Generator) -> np.ndarray:
    """An ellipse or a box with round corners (48,2), in template units."""
    radii = np.array([rng.uniform(0.42, 0.8), rng.uniform(0.35, 0.7)])
    centre = np.array([rng.normal(0, 0.12), 1.12 + rng.normal(0, 0.06)])
    if place == "below the mouth":
        centre[1] = 1.12 + radii[1] + rng.uniform(0.18, 0.5)
    elif place == "on a cheek":
        centre = np.array([(radii[0] + rng.uniform(0.5, 0.8)) * rng.choice([-1, 1]), rng.uniform(0.6, 1.5)])
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], -1)
    return np.sign(circle) * np.abs(circle) ** rng.choice([0.4, 1.0]) * radii + centre


def colour_of(name: str, frame: np.ndarray, pose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if name == "skin":
        x, y = transform(np.array([rng.choice([-0.5, 0.5]), 0.55]), pose).astype(int).clip(4, len(frame) - 5)
        return frame[y - 4 : y + 5, x - 4 : x + 5].reshape(-1, 3).mean(0) * rng.uniform(0.75, 1.15)
    low, high = {"dark": (5, 60), "grey": (60, 220), "any colour": (0, 255)}[name]
    return rng.uniform(low, high, 3) if name == "any colour" else rng.uniform(low, high) + rng.normal(0, 4, 3)


def covered(frame: np.ndarray, landmarks: np.ndarray, place: str, colour: str, rng: np.random.Generator) -> np.ndarray:
    """A copy of the frame with a cover, which has a soft edge and coarse grain."""
    pose = fit_poses(landmarks[None])[0]
    shape = cv2.fillPoly(
        np.zeros(frame.shape[:2], np.float32), [np.rint(transform(outline(place, rng), pose)).astype(int)], 1
    )
    shape = cv2.GaussianBlur(shape, (0, 0), 1)[..., None]
    grain = cv2.GaussianBlur(rng.normal(0, 1, shape.shape[:2]), (0, 0), 3)[..., None] * rng.uniform(0, 120)
    return np.clip(frame * (1 - shape) + (colour_of(colour, frame, pose, rng) + grain) * shape, 0, 255).astype(np.uint8)


def signs_of(paths: list[Path]) -> tuple[list[np.ndarray], dict[tuple[str, str], list[np.ndarray]]]:
    """The signs of all free mouths, a row of five for each frame of each clip; and of covers by place and colour."""
    detector, rng = MeshDetector(), np.random.default_rng(0)
    free, drawn = [], defaultdict(list)
    for path in paths:
        with Clip(path) as clip:
            if not len(clip.usable):
                continue
            free.append(np.stack([lip_signs(clip.frames[frame], clip.landmarks[frame]) for frame in clip.usable]))
            for index in clip.usable[np.linspace(0, len(clip.usable) - 1, DRAWN).astype(int)]:
                for place in PLACES:
                    colour, landmarks = str(rng.choice(COLOURS)), clip.landmarks[index]
                    frame = covered(clip.frames[index], landmarks, place, colour, rng)
                    followed = detector.follow(frame, landmarks)
                    if followed is not None:
                        drawn[place, colour].append(lip_signs(frame, followed))
    return free, drawn


def fitted(free: np.ndarray, covers: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (5,) and constant term of a logistic regression; free and covered mouths weigh the same in all."""
    signs = torch.from_numpy(np.concatenate([free, covers]))
    target = torch.cat([torch.zeros(len(free)), torch.ones(len(covers))]).double()
    balance = torch.where(target > 0, len(free) / len(covers), 1.0)
    mean, scale = signs.mean(0), signs.std(0)
    weights = torch.zeros(signs.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = (signs - mean) / scale @ weights[1:] + weights[0]
        value = binary_cross_entropy_with_logits(logits, target, balance) + 1e-3 * weights.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    slopes = weights.detach()[1:] / scale
    return slopes.numpy(), float(weights.detach()[0] - (slopes * mean).sum())


def main(arguments: list[str]) -> None:
    free, drawn = signs_of([Path(name) for name in arguments if name != "--fit"])
    if "--fit" in arguments:
        harmless = [sign for (place, _), signs in drawn.items() if place != PLACES[0] for sign in signs]
        hidden = [sign for (place, _), signs in drawn.items() if place == PLACES[0] for sign in signs]
        some = [signs[:: max(1, len(signs) // DRAWN)] for signs in free]
        weights, constant = fitted(np.concatenate([*some, harmless]), np.array(hidden))
        print(f"weights {weights.round(1).tolist()}, constant term {constant:.1f}")
    scores = [signs @ WEIGHTS for signs in free]
    padded = [np.pad(score, VOTE_FRAMES // 2, mode="edge") for score in scores]
    medians = [np.median(sliding_window_view(score, VOTE_FRAMES), -1) for score in padded]
    lost = max(np.mean(median > THRESHOLD) for median in medians)
    above = np.mean(np.concatenate(scores) > THRESHOLD), np.mean(np.concatenate(medians) > THRESHOLD)
    highest = np.sort([median.max() for median in medians])[-5:].round(1).tolist()
    print(f"{len(free)} clips, {sum(map(len, free))} frames; above the threshold: {above[0]:.2%} of the frames,")
    print(f"{above[1]:.2%} of the medians, at most {lost:.2%} of a clip's; highest medians of clips: {highest}")
    for (place, colour), signs in sorted(drawn.items()):
        print(f"{place}, {colour}: {np.mean(np.array(signs) @ WEIGHTS > THRESHOLD):.1%} of {len(signs)}")


if __name__ == "__main__":
    main(sys.argv[1:])
