"""Whether a clip is the one that dd-prep would make again."""

import json
from dataclasses import asdict, replace
from pathlib import Path

from dd_tools import __version__
from dd_tools.errors import DataError
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.settings import ALL, PrepSettings
from dd_tools.formats.clip import Clip
from dd_tools.formats.history import sha256_of


def is_prepared(
    clip_path: Path, video: Path, settings: PrepSettings, *, detector: Detector | None, landmarks: Path | None = None
) -> bool:
    """Whether there is a valid clip of this video, made with the same settings, detector and version.

    The content of the files decides, not their times. detector: None if `landmarks` is a file of them, which only a
    clip with a history can tell from another file. Raises `DataError` if the video or the landmarks cannot be read.
    """
    if settings.face == ALL:
        settings = replace(settings, face="0")  # that of the first clip, which is written last
    try:
        with Clip(clip_path) as clip:
            source, made_with, found, history = clip.source, clip.settings, clip.detector, clip.history
    except DataError:
        return False
    if made_with != json.loads(json.dumps(asdict(settings))) or source.name != video.name:
        return False
    if detector and found != {"name": detector.name, "version": detector.version}:
        return False
    if any(entry.get("version") != __version__ for entry in history):
        return False
    known = [value for entry in history for value in entry.get("inputs", {}).values()]
    return source.sha256 == sha256_of(video) and (landmarks is None or sha256_of(landmarks) in known)
