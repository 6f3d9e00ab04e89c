"""dd-train-ae: clips to renderer weights."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.session import Session
from dd_tools.cli.training import TrainingOptions
from dd_tools.errors import UsageError

Clips = Annotated[list[Path], typer.Argument(metavar="CLIP.h5...", help="Clips to train on, or folders of clips.")]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="RENDERER.safetensors", help="Output weights.")]
Perceptual = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Add LPIPS to the loss of a warp renderer, with this AlexNet trunk."),
]
KeepEncoder = Annotated[
    bool, typer.Option("--keep-encoder", help="Freeze the encoder, so that latents and motion models stay valid.")
]
NoEyes = Annotated[bool, typer.Option("--no-eyes", help="Leave the eyes' band out of the face image (ablation).")]
Distill = Annotated[
    Path | None,
    typer.Option(metavar="FILE.safetensors", help="Teach a copy of this diffdub renderer to paint in few steps."),
]
StepsOut = Annotated[int | None, typer.Option(metavar="1|2|4", help="With --distill: steps that the copy paints in.")]


def train_ae(
    session: Session,
    clips: Clips,
    output: Output,
    training: TrainingOptions,
    keep_encoder: KeepEncoder = False,
    perceptual: Perceptual = None,
    no_eyes: NoEyes = False,
    distill: Distill = None,
    steps_out: StepsOut = None,
) -> None:
    """Train stage 1: the semantic encoder and the renderer.

    While training, the state is in RENDERER.state.safetensors and the losses in RENDERER.csv; RENDERER.safetensors
    appears after the last step. Ctrl-C, SIGTERM and SIGUSR1 save the state and exit; --resume continues to the same
    result. With several GPUs or machines, start it under torchrun.
    """
    from dd_tools.pipeline.training import set_up_distillation, set_up_renderer_training

    refused = {"init": training.init, "preset": training.preset, "perceptual": perceptual, "no-eyes": no_eyes}
    check_distillation(distill, steps_out, [name for name, value in refused.items() if value])
    training.check(output)
    speakers, init = training.speakers_by_clip(), distill or training.initial_weights("renderer")
    files = training.files(session, clips, "*.h5", {training.speakers: speakers})
    choices = {"speakers": speakers, "augment": not training.no_augment}
    if distill:
        task, settings = set_up_distillation(files, teacher=distill, steps_out=steps_out, **choices)
    else:
        task, settings = set_up_renderer_training(
            files,
            preset=training.preset,
            init=init,
            eyes=not no_eyes,
            keep_encoder=keep_encoder,
            seed=training.seed,
            perceptual=perceptual,
            **choices,
        )
    training.run(session, task, settings, output, init)


def check_distillation(teacher: Path | None, steps_out: int | None, refused: list[str]) -> None:
    """Raise `UsageError` unless the options can go together. refused: given options that distillation does not have."""
    if (teacher is None) != (steps_out is None):
        raise UsageError("--distill and --steps-out need each other")
    if teacher and refused:
        raise UsageError(f"--distill takes everything from the teacher; leave out --{refused[0]}")


run = console_command("dd-train-ae", train_ae)
