"""Join the parts of a video that `dd-render --frames` wrote, and add the audio and what else the source has.

    python3 join.py CLIP.h5 MOTION.npy --source VIDEO --audio AUDIO -o OUTPUT 00000000.mp4 00000480.mp4 ...

The name of a part is the number of its first frame. The output is that of dd-render without --frames, except that times
are rounded once more, which may change them by 11 microseconds. Parts that leave frames out, or have some twice, are
refused.
"""

import argparse
import sys
from pathlib import Path

import av

from dd_tools.formats.arrays import LATENT_RATE, read_latents
from dd_tools.formats.atomic import atomic_output
from dd_tools.formats.clip import Clip
from dd_tools.media.ai_label import append_xmp, label_tags
from dd_tools.media.joining import join
from dd_tools.media.rates import exact_rate
from dd_tools.pipeline.output import OutputSettings, plan_output
from dd_tools.pipeline.timing import timeline

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("clip", type=Path)
parser.add_argument("motion", type=Path)
parser.add_argument("--source", type=Path, required=True)
parser.add_argument("--audio", type=Path, required=True)
parser.add_argument("-o", "--output", type=Path, required=True)
parser.add_argument("parts", type=Path, nargs="+")
given = parser.parse_args()

with Clip(given.clip) as clip:
    times = timeline(clip, len(read_latents(given.motion)))
    rate = exact_rate(clip.source.frame_rate or LATENT_RATE)
plan = plan_output(given.output, OutputSettings(), source=given.source, audio=given.audio)
expected = 0
for part in given.parts:
    if int(part.stem) != expected:
        sys.exit(f"join.py: '{part}' should begin with frame {expected}")
    with av.open(str(part)) as container:
        expected += container.streams.video[0].frames
if expected != len(times):
    sys.exit(f"join.py: the parts have {expected} frames, the output of '{given.clip}' {len(times)}")
parts = [(part, float(times.pts[int(part.stem)])) for part in given.parts]
with atomic_output(given.output) as temporary:
    join(parts, temporary, rate, audio=plan.audio, seconds=times.end, tags=label_tags(None), extras=plan.extras)
    append_xmp(temporary)
