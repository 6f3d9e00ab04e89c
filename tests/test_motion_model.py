"""The motion model: the released numbers, sizes, what each input does, and its weights file."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_speech

from dd_tools.errors import DataError, UsageError
from dd_tools.face.landmarks import LOWER_INNER_LIP, MOUTH_REGION, UPPER_INNER_LIP
from dd_tools.formats.checkpoint import MOTION, RENDERER, Checkpoint, write_checkpoint
from dd_tools.motion.config import PRESETS, MotionConfig
from dd_tools.motion.lips import at_rest, lip_opening
from dd_tools.motion.model import MotionModel, load_motion_model

TINY = PRESETS["tiny"]
LIPS = 66  # values of a latent that ends in points


def tiny_model(seed: int = 0, **settings) -> MotionModel:
    torch.manual_seed(seed)
    return MotionModel(replace(TINY, **settings)).eval()


def talkative_model(**settings) -> MotionModel:
    """A model that does not merely repeat the mean reference, as a new one with residuals does."""
    model = tiny_model(**settings)
    torch.nn.init.normal_(model.out_proj.weight)
    return model


def inputs(pictures: int = 20, references: int = 5, config: MotionConfig = TINY) -> tuple[torch.Tensor, torch.Tensor]:
    speech = dummy_speech(pictures, config.speech_layers, config.speech_width).astype(np.float32)
    return torch.from_numpy(speech)[None], torch.from_numpy(dummy_latents(references, config.z_size))[None]


@pytest.mark.parametrize(
    ("preset", "millions"), [("paper", (35.05, 35.15)), ("default", (0.2, 0.4)), ("tiny", (0, 0.1))]
)
def test_sizes(preset, millions):
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in MotionModel(PRESETS[preset]).parameters())
    assert millions[0] <= count / 1e6 <= millions[1]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("frames", "latents"), [(1, 1), (2, 1), (7, 4), (40, 20)])
@pytest.mark.parametrize("references", [1, 3, 80])
def test_one_latent_for_two_speech_frames_with_any_number_of_references(residual, frames, latents, references):
    speech, reference = inputs(40, references)
    with torch.inference_mode():
        motion = tiny_model(residual=residual)(speech[:, :, :frames], reference)
    assert motion.shape == (1, latents, TINY.z_size)
    assert motion.isfinite().all()


@pytest.mark.parametrize("residual", [False, True])
def test_padding_changes_nothing_at_valid_positions(residual):
    model = talkative_model(residual=residual)
    speech, reference = inputs(12, 6)
    valid, shown = torch.arange(24)[None] < 14, torch.arange(6)[None] < 4
    with torch.inference_mode():
        padded = model(speech, reference, valid, shown)[:, :7]
        alone = model(speech[:, :, :14], reference[:, :4])
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-4)


def test_layers_count_by_the_softmax_of_their_weights():
    model = talkative_model(speech_layers=3)
    speech, reference = inputs(config=replace(TINY, speech_layers=3))
    with torch.inference_mode():
        model.layer_weights.copy_(torch.tensor([0.3, -1.0, 2.0]))
        shares = model.layer_weights.exp() / model.layer_weights.exp().sum()
        collapsed = sum(share * speech[:, layer] for layer, share in enumerate(shares))[:, None]
        torch.testing.assert_close(model(speech, reference), model(collapsed, reference), atol=1e-5, rtol=1e-4)


def test_the_voice_has_its_say_with_a_single_reference_only_through_the_residual():
    """Attention to one key is constant: as released, one reference alone silences the voice."""
    (speech, reference), silence = inputs(references=1), torch.zeros(1, 1, 40, TINY.speech_width)
    for residual in True, False:
        model = talkative_model(residual=residual)
        with torch.inference_mode():
            same = torch.allclose(model(speech, reference), model(silence, reference), atol=1e-5)
        assert same is not residual


def test_a_residual_model_moves_with_its_reference():
    """A new model repeats the mean reference, whatever the latents' units."""
    model = tiny_model()
    speech, reference = inputs(references=4)
    with torch.inference_mode():
        model.latent_mean.copy_(torch.randn(TINY.z_size))
        model.latent_deviation.copy_(torch.rand(TINY.z_size) + 0.5)
        motion = model(speech, reference)
    torch.testing.assert_close(motion, reference.mean(1, keepdim=True).expand(-1, 20, -1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("number", [1, 2, 60, 500])
def test_the_reach_of_a_face_is_that_of_its_references_as_far_as_they_tell(number):
    """Against the plain deviation of references beside which 15 stand that deviate as the training data does."""
    model = tiny_model()
    generator = torch.Generator().manual_seed(number)
    model.latent_deviation.copy_(torch.rand(TINY.z_size, generator=generator) + 0.5)
    reference = torch.randn(1, number, TINY.z_size, generator=generator) * torch.linspace(0, 3, TINY.z_size)
    reach = model.reach(reference)[0, 0].numpy()
    typical, shown = model.latent_deviation.numpy(), reference[0].double().numpy()
    for value, column in enumerate(shown.T):
        squares = [typical[value] ** 2] * 15 + list((column - column.mean()) ** 2)
        assert reach[value] == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-4)
    padded = torch.cat([reference, torch.full((1, 7, TINY.z_size), 9.0)], dim=1)
    valid = torch.arange(number + 7)[None] < number
    torch.testing.assert_close(model.reach(padded, valid), model.reach(reference))


@pytest.fixture
def knowing() -> MotionModel:
    """A model that knows the lips, with something to say."""
    torch.manual_seed(0)
    model = MotionModel(replace(TINY, z_size=LIPS, z_points=True)).eval()
    torch.nn.init.normal_(model.out_proj.weight)
    return model


def faces(openings) -> torch.Tensor:
    """Latents (1, N, 66) of noise but for the inner lips, which are apart by `openings` (N,), on a slant."""
    openings = torch.as_tensor(openings, dtype=torch.float32)
    latents = torch.randn(1, len(openings), LIPS, generator=torch.Generator().manual_seed(1))
    points = latents[0, :, -50:].view(-1, 25, 2)
    upper, lower = ([MOUTH_REGION.index(point) for point in lip] for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP))
    points[:, lower] = points[:, upper] + torch.stack([torch.full_like(openings, 0.1), openings], -1)[:, None]
    return latents


def test_lips_open_downwards_and_may_overlap():
    openings = [0.3, 0.0, -0.1]
    torch.testing.assert_close(lip_opening(faces(openings)), torch.tensor([openings]), atol=1e-6, rtol=0)


def test_a_face_at_rest_is_the_mean_of_those_with_closest_lips():
    latents = faces(torch.linspace(0.4, 0.1, 30))
    torch.testing.assert_close(at_rest(latents), latents[:, -3:].mean(1))
    torch.testing.assert_close(at_rest(latents[:, :5]), latents[:, 4])
    shorter = torch.arange(30)[None] < 15
    torch.testing.assert_close(at_rest(latents, shorter), latents[:, 13:15].mean(1))


def test_where_lips_are_known_the_reach_is_that_of_their_opening(knowing):
    knowing.latent_deviation.copy_(torch.rand(LIPS) + 0.5)
    knowing.opening_deviation.copy_(torch.tensor(0.1))
    wide, narrow = (faces(spread * torch.randn(500).clamp(-2, 2)) for spread in (0.2, 0.05))
    ratio = (knowing.reach(wide) / knowing.latent_deviation)[0, 0]
    expected = (0.0975 * 15 / 515 * 0.1 + lip_opening(wide).var() * 500 / 515).sqrt() / 0.1
    torch.testing.assert_close(ratio, expected.expand(LIPS), rtol=0.02, atol=0)
    assert (knowing.reach(narrow) < 0.5 * knowing.reach(wide)).all()


def test_a_mouth_that_was_never_seen_shut_shuts_the_more_the_fewer_its_pictures_are(knowing):
    way = torch.zeros(LIPS)
    way[[-50 + 2 * MOUTH_REGION.index(point) + 1 for point in LOWER_INNER_LIP]] = 1
    knowing.opening_way.copy_(way)
    for count in (1, 15, 60):
        ajar, pressed = (faces([opening]).repeat(1, count, 1) for opening in (0.32, -0.01))
        torch.testing.assert_close(knowing.shut(ajar), ajar.mean(1) - 0.32 * 15 / (15 + count) * way)
        torch.testing.assert_close(knowing.shut(pressed), pressed.mean(1))
    longer = torch.cat([ajar[:, :15], torch.full((1, 4, LIPS), 9.0)], dim=1)
    torch.testing.assert_close(knowing.shut(longer, torch.arange(19)[None] < 15), knowing.shut(ajar[:, :15]))


def test_how_open_a_mouth_is_on_the_whole_is_told_by_many_pictures(knowing):
    knowing.opening_mean.fill_(0.1)
    found = [float(knowing.usual_opening(faces([0.2] * count))) for count in (1, 15, 135)]
    assert found == pytest.approx([0.1 + 0.1 / 16, 0.15, 0.19], abs=1e-5)


@pytest.mark.parametrize(("bias", "voiced"), [(-30.0, 1.0), (30.0, 0.0), (0.0, 0.5)])
def test_a_silent_face_goes_to_rest(knowing, bias, voiced):
    torch.nn.init.zeros_(knowing.silence.weight)
    torch.nn.init.constant_(knowing.silence.bias, bias)
    speech, reference = inputs(references=1)[0], faces([0.3, 0.01, 0.2, 0.1])
    with torch.inference_mode():
        motion = knowing.speak(speech, reference)
        whole = knowing(speech, reference)
    expected = voiced * reference.mean(1) + (1 - voiced) * reference[:, 1]
    torch.testing.assert_close(motion.base, expected[:, None].expand_as(motion.base), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(motion.voiced, torch.full_like(motion.voiced, voiced))
    assert torch.equal(whole, motion.base + motion.movement) and motion.movement.std() > 0.1


def test_a_model_of_lips_needs_residuals():
    with pytest.raises(UsageError, match="z_points need residual"):
        replace(TINY, residual=False, z_size=LIPS, z_points=True)
    with pytest.raises(UsageError, match="of more than 50 values, got 16: the renderer that made them has none"):
        replace(TINY, z_points=True)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"width": 18, "heads": 4}, "width 18 is not a multiple of its 4 heads"),
        ({"width": 18, "heads": 2, "cross_heads": 4}, "width 18 is not a multiple of its 4 cross-attention heads"),
        ({"width": 15, "heads": 3, "cross_heads": 3}, "width must be even and kernel odd, got 15 and 5"),
        ({"kernel": 4}, "width must be even and kernel odd, got 16 and 4"),
        ({"speech_layers": 0}, "speech layers must be at least 1, got 0"),
        ({"dropout": 1.0}, "dropout must be from 0 to below 1, got 1.0"),
    ],
)
def test_a_wrong_configuration_shows_what_is_wrong(settings, complaint):
    with pytest.raises(UsageError, match=complaint):
        replace(TINY, **settings)


def write_model(path, model, **config):
    write_checkpoint(path, Checkpoint(MOTION, model.config.to_json() | config, model.state_dict()))
    return path


def test_a_model_survives_its_file(tmp_path):
    model = talkative_model(seed=5)
    loaded = load_motion_model(write_model(tmp_path / "motion.safetensors", model))
    assert loaded.config == model.config
    with torch.inference_mode():
        torch.testing.assert_close(loaded(*inputs()), model(*inputs()))


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"hidden": 17}, r"w_1.weight' is \(16, 16\), expected \(17, 16\)"),
        ({"speech_blocks": 2}, r"blocks\.1\..* is missing"),
        ({"swing": 1}, "unknown settings: swing"),
    ],
)
def test_a_file_that_does_not_fit_its_configuration_is_refused(tmp_path, config, complaint):
    path = write_model(tmp_path / "motion.safetensors", tiny_model(), **config)
    with pytest.raises(DataError, match=complaint) as caught:
        load_motion_model(path)
    assert "\n" not in str(caught.value)


def test_a_renderer_is_not_a_motion_model(tmp_path):
    path = tmp_path / "renderer.safetensors"
    write_checkpoint(path, Checkpoint(RENDERER, {}, {"weight": torch.zeros(1)}))
    with pytest.raises(DataError, match="holds a renderer, expected a motion model"):
        load_motion_model(path)
