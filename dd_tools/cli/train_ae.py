"""dd-train-ae: clips in, renderer weights out."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.options import Device, Dtype, NoHistory, Seed, one_of
from dd_tools.cli.session import Session
from dd_tools.cli.training import (
    BatchSize,
    DataFraction,
    Exclude,
    LearningRate,
    NoAugment,
    Preset,
    Resume,
    SaveEvery,
    Speakers,
    Steps,
    TensorBoard,
    Workers,
    run_training,
    settings_from,
    training_files,
    weights_named,
)

Clips = Annotated[
    list[Path], typer.Argument(metavar="CLIP.h5...", help="Train on these clips, or on all clips in these folders.")
]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="RENDERER.safetensors", help="Write the trained weights here.")
]
Init = Annotated[
    Path | None,
    typer.Option(
        metavar="RENDERER.safetensors|default",
        help="Start from these weights, or the shipped ones; the preset then only sets the training.",
    ),
]
Perceptual = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Add LPIPS to the loss, with torchvision's AlexNet trunk from here."),
]
KeepEncoder = Annotated[
    bool, typer.Option("--keep-encoder", help="Train the U-Net alone, so that latents and motion models stay valid.")
]
NoEyes = Annotated[bool, typer.Option("--no-eyes", help="Leave the eyes' band out of the face image (ablation).")]


def train_ae(
    session: Session,
    clips: Clips,
    output: Output,
    preset: Preset = None,
    init: Init = None,
    keep_encoder: KeepEncoder = False,
    perceptual: Perceptual = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    no_eyes: NoEyes = False,
    no_augment: NoAugment = False,
    data_fraction: DataFraction = 1.0,
    exclude: Exclude = None,
    speakers: Speakers = None,
    save_every: SaveEvery = None,
    workers: Workers = 0,
    seed: Seed = 0,
    resume: Resume = False,
    device: Device = "auto",
    dtype: Dtype = "fp32",
    tensorboard: TensorBoard = None,
    no_history: NoHistory = False,
) -> None:
    """Train stage 1: the semantic encoder and the inpainting renderer.

    The state lies in RENDERER.state.safetensors while training, the losses in RENDERER.csv; RENDERER.safetensors
    appears when the last step is done. SIGTERM and Ctrl-C save the state and exit; --resume goes on from there to the
    same numbers. With several GPUs or machines, start it under torchrun.
    """
    import torch

    from dd_tools.formats.atomic import check_output_path
    from dd_tools.formats.checkpoint import RENDERER, Checkpoint
    from dd_tools.nn.device import open_device
    from dd_tools.renderer.autoencoder import Renderer, load_renderer
    from dd_tools.renderer.config import PRESETS
    from dd_tools.renderer.objective import MaskedDenoising
    from dd_tools.renderer.training import RECIPES, TRAINING_PRESETS, RendererData
    from dd_tools.training.clips import read_speakers
    from dd_tools.training.loop import DTYPES

    check_output_path(output)
    one_of("dtype", dtype, DTYPES)
    place = open_device(device)
    name = one_of("preset", preset or "default", PRESETS)
    groups = read_speakers(speakers) if speakers else {}
    files = training_files(session, clips, "*.h5", exclude, data_fraction, {speakers: groups})

    torch.manual_seed(seed)  # the weights a new model starts with
    init = weights_named(init, "renderer")
    model = load_renderer(init) if init else Renderer(PRESETS[name])
    model.config = replace(model.config, eyes=not no_eyes)
    settings = settings_from(
        TRAINING_PRESETS[name],
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        save_every=save_every,
        seed=seed,
        workers=workers,
    )
    recipe = RECIPES[name].unaugmented() if no_augment else RECIPES[name]
    data = RendererData(files, model.config, recipe, speakers=groups)
    notes = {
        "clips": [path.stem for path in files],
        "augment": not no_augment,
        "init": init.name if init else None,
        "perceptual": bool(perceptual),
    }
    checkpoint = Checkpoint(
        RENDERER, model.config.to_json(), {}, notes, session.history([init] if init else [], wanted=not no_history)
    )
    run_training(
        session,
        MaskedDenoising(model, keep_encoder=keep_encoder, lips=recipe.lips, perceptual=_distance(perceptual)),
        data,
        settings,
        checkpoint,
        output,
        device=place,
        dtype=dtype,
        resume=resume,
        tensorboard=tensorboard,
    )


def _distance(trunk: Path | None):
    """LPIPS with the trunk in a file, for `MaskedDenoising`; None without one."""
    if trunk is None:
        return None
    from dd_tools.nn.lpips import ALEX, Lpips

    return Lpips(ALEX, trunk).between


run = console_command("dd-train-ae", train_ae)
