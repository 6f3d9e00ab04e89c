"""Voices of any length: windows, cross-fades, references."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_speech
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.errors import DataError
from dd_tools.motion.config import PRESETS
from dd_tools.motion.generation import check_fit, fade, generate, overlap_of, window_starts
from dd_tools.motion.model import Motion, MotionModel

TINY = PRESETS["tiny"]


def tiny_model(**settings) -> MotionModel:
    torch.manual_seed(0)
    model = MotionModel(replace(TINY, **settings)).eval()
    torch.nn.init.normal_(model.out_proj.weight)  # a new model repeats the mean reference
    return model


def one_pass(model: MotionModel, speech: np.ndarray, reference: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return model(torch.from_numpy(speech.astype(np.float32))[None], torch.from_numpy(reference)[None])[0].numpy()


@given(length=st.integers(1, 2000), window=st.integers(1, 300))
@settings(deadline=None, max_examples=50)
def test_windows_cover_everything_once(length, window):
    total = np.zeros(length)
    for start in window_starts(length, window):
        stop = min(start + window, length)
        total[start:stop] += fade(stop - start, overlap_of(window), rises=start > 0, falls=stop < length)
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 99, 100])
def test_a_voice_within_the_window_is_one_pass(frames):
    model, speech, reference = tiny_model(), dummy_speech(50)[:, :frames], dummy_latents(7)
    motion = generate(model, speech, reference)
    assert (motion.shape, motion.dtype) == ((-(-frames // 2), TINY.z_size), np.float32)
    np.testing.assert_allclose(motion, one_pass(model, speech, reference), atol=1e-5)


@pytest.mark.parametrize(("own", "asked", "times"), [(1.0, 2.0, 2.0), (1.5, None, 1.5), (1.5, 1.0, 1.0), (1.0, 0, 0)])
def test_expression_moves_farther_from_the_mean_motion(own, asked, times):
    speech, reference = dummy_speech(120), dummy_latents(7)
    plain = generate(tiny_model(), speech, reference)
    motion = generate(tiny_model(expression=own), speech, reference, expression=asked)
    assert motion.dtype == np.float32
    rest = plain.mean(0)
    np.testing.assert_allclose(motion - rest, times * (plain - rest), atol=1e-5)


def test_windows_agree_with_one_pass_where_the_model_sees_only_nearby():
    """Without attention to the far (its values silenced), only the ends of a window know of the cut."""
    model = tiny_model()
    for block in [*model.speech_encoder.blocks, *model.decoder.blocks]:
        torch.nn.init.zeros_(block.self_attn.linear_out.weight)
    speech, reference = dummy_speech(120), dummy_latents(7)
    motion, whole = generate(model, speech, reference), one_pass(model, speech, reference)
    reach = 5  # latents: two convolutions of 5, and the down-sampling
    starts = list(window_starts(120, 50))
    assert starts == [0, 40, 80]
    inside = np.ones(120, bool)
    for start in starts[1:]:
        inside[start : start + reach] = inside[start + 10 - reach : start + 10] = False
    np.testing.assert_allclose(motion[inside], whole[inside], atol=1e-5)


def test_windows_run_into_each_other():
    """A model whose windows disagree by a constant is led from one to the other in a straight line."""

    class Counting(MotionModel):
        calls = 0

        def speak(self, speech, reference):
            self.calls += 1
            base = torch.full((1, speech.shape[2] // 2, 16), float(self.calls))
            return Motion(base, torch.zeros_like(base), torch.full_like(base[..., :1], -torch.inf))

    motion = generate(Counting(TINY).eval(), dummy_speech(90), dummy_latents(1))[:, 0]
    np.testing.assert_allclose(motion[:40], 1, atol=1e-6)
    np.testing.assert_allclose(motion[40:50], 1 + (np.arange(10) + 0.5) / 10, atol=1e-6)
    np.testing.assert_allclose(motion[50:], 2, atol=1e-6)


def test_progress_sees_every_window():
    seen = []

    def note(starts):
        for start in starts:
            seen.append(start)
            yield start

    generate(tiny_model(), dummy_speech(100), dummy_latents(1), progress=note)
    assert seen == [0, 40, 80]


def test_as_released_a_single_reference_is_shown_75_times():
    model, speech, reference = tiny_model(residual=False), dummy_speech(20), dummy_latents(1)
    np.testing.assert_allclose(
        generate(model, speech, reference), one_pass(model, speech, np.repeat(reference, 75, axis=0)), atol=1e-6
    )


def test_collapsed_layers_are_taken_too():
    config = replace(TINY, speech_layers=4, speech_width=24)
    model = tiny_model(speech_layers=4, speech_width=24)
    speech, reference = dummy_speech(20, 4, 24), dummy_latents(3)
    check_fit(config, speech=speech[:1], reference=reference, names=("s", "r", "m"))
    mean = speech.astype(np.float32).mean(0, keepdims=True)  # a new model weighs all layers alike
    np.testing.assert_allclose(generate(model, mean, reference), generate(model, speech, reference), atol=1e-4)


@pytest.mark.parametrize(
    ("speech", "reference", "complaint"),
    [
        ((1, 40, 24), (5, 16), "'s.npy' holds 1 layers of 24 features, 'm.safetensors' takes 1 of 80: .* --model mel"),
        ((2, 40, 80), (5, 16), "'s.npy' holds 2 layers of 80 features, 'm.safetensors' takes 1 of 80"),
        ((1, 40, 80), (5, 8), "'r.npy' holds latents of 8 values, 'm.safetensors' takes 16"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(speech, reference, complaint):
    with pytest.raises(DataError, match=complaint):
        check_fit(
            TINY, speech=np.zeros(speech), reference=np.zeros(reference), names=("s.npy", "r.npy", "m.safetensors")
        )
