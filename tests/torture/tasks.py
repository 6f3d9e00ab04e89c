"""The command lines that are tortured. They run in a folder of copies of their inputs and write to ``out``."""

from pathlib import Path
from typing import NamedTuple

WARP = "--renderer renderer.safetensors"
BOTH = f"{WARP} --motion motion.safetensors"
TINY = "--preset tiny-warp --batch-size 2 --no-history"


class Task(NamedTuple):
    """A command line, and what is special about it.

    resumes: whether it has ``--resume``. also: patterns of inputs that the line does not name. kept: patterns of what
    an unfinished run may leave, relative to the folder of the run, beside the complete files.
    """

    line: str
    resumes: bool = False
    also: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        return self.line.split()[0]

    @property
    def targets(self) -> list[str]:
        return [word for word in self.line.split() if word.startswith("out/")]

    def inputs(self, material: Path) -> list[str]:
        """The input files, relative to the folder `material`."""
        named = [material / word for word in self.line.split()[1:] if not word.startswith("out")]
        paths = [path for path in named if path.exists()] + [path for one in self.also for path in material.glob(one)]
        files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
        return [str(file.relative_to(material)) for file in dict.fromkeys(files) if file.is_file()]


PARTS = ("out/*.parts",)
STATE = ("out/*.csv", "out/*.state.safetensors")

PREP = Task("dd-prep talk.mp4 -o out/clip.h5 --size 32 --no-history", resumes=True, kept=PARTS)
LIST_FACES = Task("dd-prep talk.mkv --list-faces out/sheet.png")
MEL = Task("dd-audio speech.wav --model mel -o out/speech.npy", resumes=True)
ENCODE = Task(f"dd-encode clip.h5 {WARP} -o out/latents.npy", resumes=True)
GENERATE = Task("dd-generate speech.npy --reference latents.npy --motion motion.safetensors -o out/motion.npy")
RENDER = Task(
    f"dd-render clip.h5 --latents latents.npy {WARP} --audio speech.wav --source talk.mp4 -o out/video.mp4",
    resumes=True,
    kept=PARTS,
)
DUB = Task(f"dd-dub talk.mp4 speech.wav {BOTH} -o out/dubbed.mp4", resumes=True, kept=PARTS)
EVAL = Task(
    "dd-eval talk.mp4 --truth talk.mkv --json out/r.json --csv out/r.csv --markdown out/r.md --contact-sheet out/r.png"
    " --html out/report",
)
TRAIN_AE = Task(
    f"dd-train-ae clips {TINY} --steps 6 --save-every 1 --speakers speakers.tsv -o out/renderer.safetensors",
    resumes=True,
    kept=STATE,
)
TRAIN_SEQ = Task(
    f"dd-train-seq latents --speech speech {TINY} --steps 6 --save-every 1 --delays delays.tsv"
    " -o out/motion.safetensors",
    resumes=True,
    kept=STATE,
)
IMPORT = Task("dd-import stage1.ckpt -o out/renderer.safetensors --x-t out/noise.npy --no-history")

# Every command that writes, once.
WRITING = (PREP, LIST_FACES, MEL, ENCODE, GENERATE, RENDER, DUB, EVAL, TRAIN_AE, TRAIN_SEQ, IMPORT)

RESUME_DUB = DUB._replace(line=f"{DUB.line} --resume", also=("out/dubbed.mp4.parts/*",))
RESUME_PREP = PREP._replace(line=f"{PREP.line} --resume", also=("out/clip.h5.parts/*",))
RESUME_TRAINING = TRAIN_AE._replace(line=f"{TRAIN_AE.line} --resume", also=("out/renderer.state.safetensors",))
RESUMED = (RESUME_DUB, RESUME_PREP, RESUME_TRAINING)

# Every kind of input of every command.
READING = (
    *WRITING,
    *RESUMED,
    Task("dd-prep portrait.png -o out/clip.h5 --size 32", kept=PARTS),
    Task("dd-prep portrait.jpg -o out/clip.h5 --size 32 --crop head", kept=PARTS),
    Task("dd-prep talk.mkv -o out/clip.h5 --landmarks landmarks.npy --size 32"),
    Task("dd-prep talk.mp4 --face all -o out --size 32 --mask paper --fps 10", kept=PARTS),
    Task("dd-audio speech.flac --weights motion.safetensors -o out/speech.npy"),
    Task("dd-audio talk.mkv --model mel --duration 1 -o out/speech.npy"),
    Task("dd-encode clip.h5 --renderer paper.safetensors -o out/latents.npy"),
    Task(
        "dd-render clip.h5 --latents paper.npy --renderer paper.safetensors --x-t noise.npy --steps 1 --crop-only"
        " -o out/video.mkv",
        kept=PARTS,
    ),
    Task(f"dd-dub portrait.png speech.flac {BOTH} -o out/dubbed.mkv", kept=PARTS),
    Task(f"dd-dub talk.mkv talk.mp4 {BOTH} -o out/%04d.png", kept=PARTS),
    Task("dd-eval pairs.tsv --csv out/r.csv", also=("talk.mp4", "talk.mkv")),
    Task("dd-eval talk.mp4 --truth talk.mkv --lpips alex --lpips-trunk trunk.pth --json out/r.json"),
    Task(f"dd-train-ae clip.h5 {TINY} --steps 1 --init renderer.safetensors -o out/renderer.safetensors", kept=STATE),
    Task(f"dd-train-seq latents --speech speech {TINY} --steps 1 --speakers speakers.tsv --exclude exclude.txt"
         " --init motion.safetensors -o out/motion.safetensors", kept=STATE),
    Task("dd-import stage2.ckpt -o out/motion.safetensors"),
    *(
        Task(f"dd-info {name}")
        for name in ("clip.h5", "speech.npy", "renderer.safetensors", "talk.mkv", "portrait.jpg", "stage1.ckpt")
    ),
    Task("dd-info --json clip.h5 latents.npy motion.safetensors talk.mp4 portrait.png stage2.ckpt"),
)  # fmt: skip
