"""Tiny warp models with random weights, and latents whose lips are where a test wants them."""

from dataclasses import replace

import numpy as np
import torch
from factories import dummy_face_landmarks
from torch import nn

from dd_tools.face.landmarks import LOWER_INNER_LIP, MOUTH_REGION
from dd_tools.warp.alignment import alignment_points
from dd_tools.warp.latents import LANDMARK_VALUES
from dd_tools.warp.motion_network import MotionConfig, MotionNetwork
from dd_tools.warp.motion_training import PRESETS as MOTION_PRESETS
from dd_tools.warp.network import WarpNetwork
from dd_tools.warp.renderer_config import RendererConfig
from dd_tools.warp.renderer_training import PRESETS as RENDERER_PRESETS

RENDERER: RendererConfig = RENDERER_PRESETS["tiny-warp"].config  # 32 px, two references, z of 66
MOTION: MotionConfig = MOTION_PRESETS["tiny-warp"].config  # mel, z of 66, windows of 50 latents

LOWER_LIP = [-LANDMARK_VALUES + 2 * MOUTH_REGION.index(point) + 1 for point in LOWER_INNER_LIP]  # their y in a latent
DOWN = np.zeros(MOTION.z_size, np.float32)  # the direction in which the lower lip sinks by one interocular distance
DOWN[LOWER_LIP] = 1


def shaken(module: nn.Module) -> nn.Module:
    """The module in eval mode with noise in every parameter, so that branches that start at zero take part."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    return module.eval()


def drawn_points(*openings: float) -> torch.Tensor:
    """`alignment_points` float32 (N, 46, 2) of a drawn face whose mouth opens so far, see `dummy_face_landmarks`."""
    faces = np.stack([dummy_face_landmarks(opening=opening) for opening in openings])
    return torch.from_numpy(alignment_points(faces, 96)).float()


def tiny_network(**changes: object) -> WarpNetwork:
    """A renderer's network that does something at random."""
    return shaken(WarpNetwork(replace(RENDERER, **changes)))


def tiny_motion_network(**changes: object) -> MotionNetwork:
    """A motion network whose filter and conformers each move the face at random; those of a new one do not."""
    torch.manual_seed(0)
    network = MotionNetwork(replace(MOTION, **changes)).eval()
    nn.init.normal_(network.filter.weight, std=0.05)
    for member in network.members:
        nn.init.normal_(member.out_proj.weight)
    return network


def predict_silence(network: MotionNetwork, logit: float) -> None:
    """Let every conformer predict this logit of silence, whatever it hears."""
    for member in network.members:
        nn.init.zeros_(member.silence_head.weight)
        nn.init.constant_(member.silence_head.bias, logit)
