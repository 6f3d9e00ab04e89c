"""Training samples of stage 2: 10 s as target, the 3 s that follow as reference."""

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_speech
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.diffdub.motion_data import MotionData
from dd_tools.diffdub.motion_training import PRESETS
from dd_tools.errors import DataError
from dd_tools.training.sequences import ClipSequences

TINY = PRESETS["tiny"].config


def counted_clip(length: int, name: str = "clip") -> ClipSequences:
    """A clip that says which frame is which: latent k holds k, speech frame k holds k / 2."""
    latents = np.repeat(np.arange(length, dtype=np.float32)[:, None], TINY.z_size, axis=1)
    speech = np.repeat(np.arange(2 * length)[None, :, None] / 2, TINY.speech_width, axis=2).astype(np.float16)
    return ClipSequences(name, latents, speech)


def draw(clips, size: int = 6, *, seed: int = 0, speakers=None) -> dict[str, torch.Tensor]:
    return MotionData(clips, TINY, speakers or {}).batch(torch.Generator().manual_seed(seed), size)


@pytest.mark.parametrize(
    ("length", "target", "reference"),
    [(2, 1, 1), (13, 10, 3), (75, 57, 18), (324, 249, 75), (325, 250, 75), (1000, 250, 75)],
)
def test_the_reference_is_what_follows_the_target(length, target, reference):
    batch = draw([counted_clip(length)])
    assert batch["target"].shape == (6, target, TINY.z_size)
    assert batch["reference"].shape == (6, reference, TINY.z_size)
    assert batch["speech"].shape == (6, 1, 2 * target, TINY.speech_width)
    assert batch["speech_valid"].all() and batch["reference_valid"].all()
    for speech, latents, following in zip(batch["speech"], batch["target"], batch["reference"], strict=True):
        start = latents[0, 0]
        assert latents[:, 0].tolist() == (start + torch.arange(target)).tolist()
        assert following[:, 0].tolist() == (start + target + torch.arange(reference)).tolist()
        assert speech[0, ::2, 0].tolist() == latents[:, 0].tolist()
        assert (speech[0, 1::2, 0] - speech[0, ::2, 0]).unique().tolist() == [0.5]


def test_samples_begin_anywhere_in_a_longer_clip():
    starts = draw([counted_clip(335)], 400)["target"][:, 0, 0]
    assert set(starts.tolist()) == set(range(11))


@settings(deadline=None, max_examples=20)
@given(lengths=st.lists(st.integers(2, 60), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_shorter_clips_are_padded_with_zeros_and_marked(lengths, seed):
    clips = [counted_clip(length, str(index)) for index, length in enumerate(lengths)]
    batch = draw(clips, 5, seed=seed)
    expected = {max(1, length * 10 // 13) for length in lengths}
    assert {int(count) // 2 for count in batch["speech_valid"].sum(1)} <= expected
    for name, valid in (("speech", batch["speech_valid"]), ("reference", batch["reference_valid"])):
        values = batch["speech"][:, 0] if name == "speech" else batch[name]
        assert not values[~valid].any()
        assert (valid.long().diff(dim=1) <= 0).all()  # padding is at the end
        assert valid.any(1).all()
    assert not batch["target"][~batch["speech_valid"][:, ::2]].any()


def test_a_batch_is_a_function_of_the_generator():
    clips = [counted_clip(30, "a"), counted_clip(400, "b")]
    first, again, other = draw(clips, seed=3), draw(clips, seed=3), draw(clips, seed=4)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(first[name].shape != other[name].shape or (first[name] != other[name]).any() for name in first)


def test_speakers_are_drawn_evenly_however_many_clips_they_have():
    many = [counted_clip(13, f"many{index}") for index in range(9)]
    batch = draw([*many, counted_clip(26, "one")], 400, speakers={clip.name: "many" for clip in many})
    assert 160 < (batch["speech_valid"].sum(1) == 40).sum() < 240


def test_clips_of_another_size_are_refused():
    clips = [
        ClipSequences("a", dummy_latents(9), dummy_speech(9)),
        ClipSequences("b", dummy_latents(9, 8), dummy_speech(9)),
    ]
    complaint = "clip 'b' has 1 layers of 80 speech features and latents of 8, the model takes .* latents of 16"
    with pytest.raises(DataError, match=complaint):
        MotionData(clips, TINY, {})
