"""Frames and images: uint8 RGB arrays outside the networks, float tensors in [−1, 1] inside."""

import numpy as np
import torch
from torch import Tensor


def to_images(frames: np.ndarray) -> Tensor:
    """Frames uint8 (B, S, S, 3) to images float32 (B, 3, S, S) in [−1, 1]."""
    return as_images(torch.from_numpy(np.ascontiguousarray(frames)))


def as_images(frames: Tensor) -> Tensor:
    """Frames uint8 (..., S, S, 3) to images float32 (..., 3, S, S) in [−1, 1], on the device of the frames."""
    return frames.movedim(-1, -3).contiguous().float().div_(127.5).sub_(1)


def to_masks(masks: np.ndarray) -> Tensor:
    """Masks uint8 (B, S, S), 1 = repaint, to float32 (B, 1, S, S)."""
    return torch.from_numpy(np.ascontiguousarray(masks))[:, None].float()


def to_frames(images: Tensor) -> np.ndarray:
    """Images (B, 3, S, S) in [−1, 1] to frames uint8 (B, S, S, 3), rounded."""
    return images.add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


def composite(painted: Tensor, known: Tensor, mask: Tensor) -> Tensor:
    """`painted` where the mask (B, 1, S, S) is 1, `known` elsewhere; all images (B, 3, S, S)."""
    return torch.where(mask > 0, painted, known)
