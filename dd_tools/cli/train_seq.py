"""dd-train-seq: latents and speech features to motion model weights."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.session import Session
from dd_tools.cli.training import TrainingOptions

Latents = Annotated[
    list[Path], typer.Argument(metavar="LATENTS.npy...", help="Latents to train on, or folders of latents.")
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="MOTION.safetensors", help="Output weights.")]
SpeechFolder = Annotated[
    Path, typer.Option("--speech", metavar="DIR", help="Folder of speech features: those of NAME.npy are DIR/NAME.npy.")
]
Delays = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.tsv", help="Delays to remove: clip name, tab, delay of its video against its audio in 1/25 s."
    ),
]
SpeechModel = Annotated[
    str | None, typer.Option(metavar="NAME", help="Speech model that made the features.  [default: the preset's]")
]


def train_seq(
    session: Session,
    latents: Latents,
    output: Output,
    speech: SpeechFolder,
    training: TrainingOptions,
    delays: Delays = None,
    speech_model: SpeechModel = None,
) -> None:
    """Train stage 2: the motion model.

    While training, the state is in MOTION.state.safetensors and the losses in MOTION.csv; MOTION.safetensors appears
    after the last step. Ctrl-C, SIGTERM and SIGUSR1 save the state and exit; --resume continues to the same result.
    With several GPUs or machines, start it under torchrun.
    """
    from dd_tools.pipeline.training import set_up_motion_training
    from dd_tools.training.clips import read_delays
    from dd_tools.training.sequences import read_all_sequences

    training.check(output)
    delay_of = read_delays(delays) if delays else {}
    speakers, init = training.speakers_by_clip(), training.initial_weights("motion")
    files = training.files(session, latents, "*.npy", {delays: delay_of, training.speakers: speakers})
    clips = read_all_sequences(files, speech, delay_of)
    task, settings = set_up_motion_training(
        clips,
        preset=training.preset,
        init=init,
        speech_model=speech_model,
        speakers=speakers,
        augment=not training.no_augment,
        seed=training.seed,
        report=session,
    )
    task.checkpoint.training["delays"] = {clip.name: delay_of[clip.name] for clip in clips if clip.name in delay_of}
    training.run(session, task, settings, output, init)


run = console_command("dd-train-seq", train_seq)
