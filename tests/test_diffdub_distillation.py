"""Distillation into few steps: the teacher's steps in one, what is trained, and where it leads."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_clip
from test_diffdub_objective import SIZE, TINY, dummy_batch
from tiny_warp import shaken
from torch import nn

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.distillation import DistillationLoss, spans_of, target_estimate
from dd_tools.diffdub.renderer import DiffDubRenderer
from dd_tools.diffdub.renderer_config import RendererConfig
from dd_tools.diffdub.renderer_training import distillation_task, renderer_task
from dd_tools.diffdub.sampling import sample, sample_at
from dd_tools.errors import UsageError
from dd_tools.formats.clip import Clip

ALPHA_BAR = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
FOUR = replace(TINY, timesteps=(950, 700, 450, 200))
INSIDE = (..., slice(8, 24), slice(8, 24))  # of the mask of `dummy_batch`


def tiny_teacher(prediction: str, **changes: object) -> DiffusionAutoencoder:
    return shaken(DiffusionAutoencoder(replace(FOUR, prediction=prediction, **changes)))


def test_the_steps_of_a_student_are_those_of_its_teacher_several_at_a_time():
    assert spans_of(TINY, 4) == [
        [999, 902, 809, 722, 639, 562],
        [562, 490, 422, 360, 302, 250],
        [250, 202, 160, 122, 90, 62],
        [62, 40, 22, 10, 2, -1],
    ]
    (only,) = spans_of(TINY, 1)
    assert only == [999, 902, 809, 722, 639, 562, 490, 422, 360, 302, 250, 202, 160, 122, 90, 62, 40, 22, 10, 2, -1]
    assert spans_of(FOUR, 2) == [[950, 700, 450], [450, 200, -1]]


@pytest.mark.parametrize(
    ("config", "steps", "message"),
    [
        (TINY, 3, "steps out must be 1, 2, 4, got 3"),
        (FOUR, 4, "a teacher of 4 steps cannot be distilled into a student of 4"),
        (replace(TINY, timesteps=(500,)), 1, "a teacher of 1 steps cannot be distilled into a student of 1"),
        (replace(TINY, timesteps=(900, 600, 300)), 2, "a teacher of 3 steps cannot be distilled into a student of 2"),
    ],
)
def test_other_numbers_of_steps_are_refused(config, steps, message):
    with pytest.raises(UsageError, match=message):
        spans_of(config, steps)


def two_steps(teacher, batch, xt, z, t: int, between: int, end: int) -> torch.Tensor:
    """The mean of the teacher's two estimates, weighted with the widths of its steps in sqrt(SNR).

    In x_t / sqrt(1 − alpha_bar), DDIM is Euler's method: the estimate is the slope over sqrt(SNR), so slopes add up
    with their widths. The last step is endlessly wide.
    """
    estimates = []
    for now, later in ((t, between), (between, end)):
        xt = torch.where(batch["mask"] > 0, xt, batch["image"])
        estimates.append(teacher.denoise(xt, batch["reference"], torch.full((2,), now), z).clamp(-1, 1))
        noise, next_noise = (1 - ALPHA_BAR[[now, later]]) ** 0.5
        slope = (ALPHA_BAR[later] ** 0.5 / next_noise - ALPHA_BAR[now] ** 0.5 / noise) * estimates[-1]
        xt = next_noise * (xt / noise + slope)
    if end == -1:
        return estimates[1]
    low, middle, high = ((ALPHA_BAR[at] / (1 - ALPHA_BAR[at])) ** 0.5 for at in (t, between, end))
    return ((middle - low) * estimates[0] + (high - middle) * estimates[1]) / (high - low)


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
@pytest.mark.parametrize("span", [(950, 700, 450), (450, 200, -1)])
@torch.no_grad()
def test_the_target_is_where_two_steps_of_the_teacher_lead(prediction, span):
    teacher, batch = tiny_teacher(prediction), dummy_batch()
    z, xt = teacher.encode(batch["face"]), batch["eps"]
    expected = two_steps(teacher, batch, xt, z, *span).float()
    target = target_estimate(
        lambda xt, t: teacher.denoise(xt, batch["reference"], t, z), xt, batch["image"], batch["mask"],
        torch.tensor([span, span]),
    )  # fmt: skip
    torch.testing.assert_close(target[INSIDE], expected[INSIDE], atol=2e-5, rtol=1e-4)
    assert expected[INSIDE].std() > 0.1


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_the_loss_is_the_difference_of_v_inside_the_mask(prediction):
    """One sample takes the first step, from noise alone, the other the last. The student equals its teacher."""
    teacher, batch = tiny_teacher(prediction), dummy_batch(t=torch.tensor([3, 700]))
    spans = spans_of(teacher.config, 2)
    with torch.no_grad():
        z = teacher.encode(batch["face"])
        start = torch.where(batch["mask"] > 0, batch["eps"], batch["image"])
        signal, noise = ALPHA_BAR[450] ** 0.5, (1 - ALPHA_BAR[450]) ** 0.5
        start[1][INSIDE] = (signal * batch["image"] + noise * batch["eps"])[1][INSIDE].float()
        targets = torch.stack([two_steps(teacher, batch, start, z, *span)[at] for at, span in enumerate(spans)])
        before = teacher.denoise(start, batch["reference"], torch.tensor([950, 450]), z)
        sigma = torch.tensor([(1 - ALPHA_BAR[950]) ** 0.5, noise]).view(2, 1, 1, 1)
        expected = ((targets - before) / sigma)[INSIDE].square().sum() / (2 * 3 * SIZE * SIZE)
    task_loss = DistillationLoss(tiny_teacher(prediction), teacher, spans)(batch)
    torch.testing.assert_close(task_loss, expected.float(), rtol=1e-3, atol=0)


def test_only_the_students_unet_learns_and_without_dropout():
    teacher, student = tiny_teacher("v", dropout=0.5), tiny_teacher("v", dropout=0.5)
    objective, batch = DistillationLoss(student, teacher, spans_of(FOUR, 2)).train(), dummy_batch()
    loss = objective(batch)
    assert torch.equal(loss, objective(batch))
    loss.backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    learning = {name for name, parameter in student.named_parameters() if parameter.grad is not None}
    assert learning == {name for name, _ in student.named_parameters() if not name.startswith("encoder.")}


class LinearDenoiser(nn.Module):
    """Estimates images by a scale and an offset for every timestep; there are no faces to encode."""

    def __init__(self, scale: torch.Tensor, offset: torch.Tensor):
        super().__init__()
        self.encoder = nn.Module()
        self.scale, self.offset = nn.Parameter(scale.clone()), nn.Parameter(offset.clone())

    def encode(self, face):
        return face

    def denoise(self, xt, reference, t, z):
        return self.scale[t].view(-1, 1, 1, 1) * xt + self.offset[t].view(-1, 1, 1, 1)


def test_one_step_becomes_the_twenty_of_its_teacher():
    """For pixels that are drawn from a normal distribution, every step is linear, so one can do what twenty do."""
    mean, deviation = 0.2, 0.15
    ratio = ALPHA_BAR**0.5 * deviation**2 / (ALPHA_BAR * deviation**2 + 1 - ALPHA_BAR)
    parameters = ratio, mean * (1 - ratio * ALPHA_BAR**0.5)
    teacher, student = (LinearDenoiser(*(torch.tensor(one).float() for one in parameters)) for _ in range(2))
    objective = DistillationLoss(student, teacher, spans_of(TINY, 1))
    optimizer = torch.optim.Adam(student.parameters(), 0.01)
    batch = dummy_batch() | {"mask": torch.ones(2, 1, SIZE, SIZE)}
    noise = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(7))

    def painted(model, timesteps):
        return sample_at(timesteps, lambda xt, t: model.denoise(xt, None, t, None), noise, noise, batch["mask"])

    twenty = painted(teacher, [round(999 * (step / 20) ** 2) for step in range(20, 0, -1)])
    assert (painted(student, [999]) - twenty).abs().mean() > 0.05
    for step in range(200):
        batch["eps"] = torch.randn(noise.shape, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        objective(batch).backward()
        optimizer.step()
    torch.testing.assert_close(painted(student, [999]), twenty, atol=2e-3, rtol=0)


@pytest.fixture
def clip(tmp_path):
    with Clip(dummy_clip(tmp_path / "a.h5")) as clip:
        yield clip


def test_a_student_paints_in_its_own_steps_and_before_training_as_its_teacher_would(clip):
    teacher = shaken(DiffusionAutoencoder(TINY)).eval()
    student = distillation_task(teacher, [clip.path], num_steps=2, speakers={}).objective.model.eval()
    assert student.config == replace(TINY, timesteps=(999, 250))
    calls, latents = [], np.random.default_rng(0).standard_normal((2, 16)).astype(np.float32)
    student.register_forward_pre_hook(lambda module, given: calls.append(given[2].tolist()))
    given = np.array([1, 2]), clip.pts[[1, 2]], latents, slice(0, 2)
    crops = DiffDubRenderer(student).painter(clip)(*given)
    assert calls == [[999], [999], [250], [250]]  # on a CPU image by image
    painter = DiffDubRenderer(teacher).painter(clip, steps=2)
    painter.timesteps = [999, 250]
    np.testing.assert_array_equal(crops, painter(*given))
    np.testing.assert_array_equal(crops, DiffDubRenderer(student).painter(clip, steps=2, solver="ddim")(*given))


@pytest.mark.parametrize("options", [{"steps": 1}, {"steps": 20}, {"solver": "unipc"}, {"steps": 4, "solver": "unipc"}])
def test_a_student_takes_no_other_steps_or_solver(clip, options):
    renderer = DiffDubRenderer(DiffusionAutoencoder(FOUR))
    with pytest.raises(UsageError, match="the renderer is distilled: it paints in 4 ddim steps only; leave out"):
        renderer.painter(clip, **options)


def test_a_student_is_not_trained_further(clip):
    with pytest.raises(UsageError, match="a distilled renderer cannot be trained further; train its teacher"):
        renderer_task(DiffusionAutoencoder(FOUR), [clip.path], speakers={})


def test_only_students_say_timesteps_in_their_configuration():
    """Older programs read other renderers as before, and refuse students, which they would sample wrongly."""
    assert "timesteps" not in TINY.to_json()
    assert RendererConfig.from_json(TINY.to_json()) == TINY
    assert FOUR.to_json()["timesteps"] == [950, 700, 450, 200]
    assert RendererConfig.from_json(FOUR.to_json()) == FOUR
    for timesteps in ((1000,), (500, 500), (200, 450)):
        with pytest.raises(UsageError, match="timesteps must descend from below 1000"):
            replace(TINY, timesteps=timesteps)


def test_samples_at_given_timesteps_are_those_of_as_many_steps():
    x0, mask = torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 4, 4)
    xT = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    found = [how(lambda xt, t: 0.3 * xt + t[0] / 2000) for how in (
        lambda denoise: sample_at([750, 500, 250, 0], denoise, xT, x0, mask),
        lambda denoise: sample(denoise, xT, x0, mask, 4),
    )]  # fmt: skip
    assert torch.equal(*found)
