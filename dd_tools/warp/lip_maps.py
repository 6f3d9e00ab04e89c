"""Maps of the painted mouth: where its lips and its inside are, from the landmarks.

Alignment stretches the line between closed lips into an open mouth. The maps tell the network where to paint teeth and
darkness instead.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from dd_tools.face.landmarks import INNER_LIPS, MOUTH, OUTER_LIPS

MAPS = 2
SUPERSAMPLING = 2  # positions per pixel, across and down
LIP_POINTS = MOUTH.stop - MOUTH.start
# The places of both outlines among landmarks that end in those of the lips.
OUTLINES = tuple(slice(lips.start - MOUTH.stop, lips.stop - MOUTH.stop or None) for lips in (OUTER_LIPS, INNER_LIPS))


def lip_maps(points: Tensor, size: int) -> Tensor:
    """Share (B, 2, S, S) of every pixel that belongs to the lips, and to what they enclose.

    points (B, P, 2): landmarks from −1 to 1 across the image, the last 20 those of the lips in iBUG order. size: S.
    """
    mouth, inside = (inside_polygon(points[:, part].float(), SUPERSAMPLING * size) for part in OUTLINES)
    maps = torch.stack([mouth & ~inside, inside], 1).float()
    return F.avg_pool2d(maps, SUPERSAMPLING)


def inside_polygon(corners: Tensor, size: int) -> Tensor:
    """Whether the centre of each pixel, bool (B, size, size), is inside a polygon with `corners` (B, V, 2), even-odd.

    Corners are given from −1 to 1 across the image.
    """
    centres = (torch.arange(size, device=corners.device) + 0.5) * 2 / size - 1
    (x, y), (next_x, next_y) = (each[..., None].unbind(2) for each in (corners, corners.roll(-1, 1)))
    crossed = (y > centres) != (next_y > centres)  # (B, V, size): rows that an edge crosses
    where = x + (centres - y) / torch.where(crossed, next_y - y, 1) * (next_x - x)
    # An edge changes the side of the centres from its own on. Those of rows that it does not cross are at column 0.
    columns = torch.where(crossed, (size * (where + 1) / 2 - 0.5).ceil().clamp(0, size), 0).long().transpose(1, 2)
    edges = torch.zeros(len(corners), size, size + 1, dtype=torch.int32, device=corners.device)
    edges.scatter_add_(2, columns, torch.ones_like(columns, dtype=torch.int32))
    right = corners.shape[1] - edges[..., :-1].cumsum(2, dtype=torch.int32)
    return right % 2 == 1
