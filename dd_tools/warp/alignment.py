"""Alignment: a smooth warp of each reference frame that moves its landmarks to where the painted frame has them.

The lips then move as far as the latents ask, even with a single reference, and the network only corrects what a smooth
warp of landmarks cannot know: the inside of the mouth, wrinkles, occluded skin. The warp is a thin-plate spline
(Bookstein 1989), which bends least among all that move the landmarks so.
"""

import numpy as np
import torch
from torch import Tensor

from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.warp.latents import relative_to_crop

HEAD_POINTS = range(27, 48)  # nose and eyes, which speech moves little
HEAD_COUNT = len(HEAD_POINTS)

# Additional points, which move as the head does, from −1 to 1 across the crop: corners, sides, and the neck.
BORDER = ((-1.0, -1.0), (1.0, -1.0), (-1.0, 0.0), (1.0, 0.0), (-1.0, 1.0), (0.0, 1.0), (1.0, 1.0))
STIFFNESS = 1e-3  # of the spline: landmarks are measured with errors, so they are approximated


def alignment_points(landmarks: np.ndarray, size: int) -> np.ndarray:
    """`HEAD_POINTS`, then `MOUTH_REGION` (N, 46, 2), −1 to 1 across the crop, from landmarks (N, 68, 2) in its pixels.

    size: side of the crop.
    """
    return relative_to_crop(landmarks[:, [*HEAD_POINTS, *MOUTH_REGION]], size)


def alignment(target: Tensor, references: Tensor, cells: int) -> Tensor:
    """The flow (B, K, 2, cells, cells) that aligns K references, see `dd_tools.warp.flow`.

    target (B, 46, 2), references (B, K, 46, 2): `alignment_points`.
    """
    with torch.autocast(target.device.type, enabled=False):
        target, references = target.float(), references.float()
        border = target.new_tensor(BORDER).expand(len(target), -1, 2)
        moved = similarity(target[:, None, :HEAD_COUNT], references[:, :, :HEAD_COUNT], border[:, None])
        points = torch.cat([target, border], 1)
        shifts = torch.cat([references, moved], 2) - points[:, None]
        centres = (torch.arange(cells, device=target.device) + 0.5) * 2 / cells - 1
        grid = torch.cartesian_prod(centres, centres).flip(-1)
        flow = spline(points, shifts.transpose(1, 2).flatten(2), grid) * (cells / 2)
    return flow.transpose(1, 2).reshape(*references.shape[:2], 2, cells, cells)


def similarity(source: Tensor, target: Tensor, points: Tensor) -> Tensor:
    """Points (..., N, 2) moved by the similarity that best maps `source` (..., P, 2) to `target` (..., P, 2).

    Least squares, as in `dd_tools.face.geometry.fit_poses`, but without complex numbers, which are not compiled.
    """
    centre, moved_centre = source.mean(-2, True), target.mean(-2, True)
    (x, y), (u, v) = (source - centre).unbind(-1), (target - moved_centre).unbind(-1)
    size = (x.square() + y.square()).sum(-1, True)
    cos, sin = (x * u + y * v).sum(-1, True) / size, (x * v - y * u).sum(-1, True) / size
    right, down = (points - centre).unbind(-1)
    return torch.stack([cos * right - sin * down, sin * right + cos * down], -1) + moved_centre


def spline(points: Tensor, values: Tensor, grid: Tensor) -> Tensor:
    """Thin-plate splines (B, G, C) at the positions `grid` (G, 2) that approximate `values` (B, P, C) at (B, P, 2)."""
    count = points.shape[1]
    bending = _kernel(points, points) + STIFFNESS * torch.eye(count, device=points.device)
    affine = _affine(points)
    top = torch.cat([bending, affine], 2)
    bottom = torch.cat([affine.transpose(1, 2), affine.new_zeros(len(affine), 3, 3)], 2)
    right = torch.cat([values, values.new_zeros(len(values), 3, values.shape[2])], 1)
    weights = torch.linalg.solve(torch.cat([top, bottom], 1), right)
    grid = grid.expand(len(points), -1, 2)
    return torch.cat([_kernel(grid, points), _affine(grid)], 2) @ weights


def _kernel(one: Tensor, other: Tensor) -> Tensor:
    """r² log r (B, N, M) for the distances r between points (B, N, 2) and (B, M, 2)."""
    right, down = (one[:, :, None, axis].sub(other[:, None, :, axis]).square_() for axis in (0, 1))
    square = right.add_(down)
    return square.clamp(min=1e-12).log_().mul_(square).mul_(0.5)


def _affine(points: Tensor) -> Tensor:
    """Terms (B, N, 3) of an affine map: 1, x, y."""
    return torch.cat([torch.ones_like(points[..., :1]), points], -1)
