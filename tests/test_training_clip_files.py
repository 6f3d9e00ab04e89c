"""Clip files of a training."""

import pickle

import numpy as np
from factories import dummy_clip

from dd_tools.formats.clip import Framing
from dd_tools.training.clip_files import ClipFiles


def test_open_clips_are_opened_again_in_a_loader_process_that_is_not_forked(tmp_path):
    paths = [dummy_clip(tmp_path / "a.h5", 3), dummy_clip(tmp_path / "b.h5", 5)]
    clips = ClipFiles(paths, Framing(32, "face", "steady"))
    frames = [clips[index].frames[:] for index in (0, 1)]
    sent = pickle.loads(pickle.dumps(clips))
    for index in (0, 1):
        np.testing.assert_array_equal(sent[index].frames[:], frames[index])
