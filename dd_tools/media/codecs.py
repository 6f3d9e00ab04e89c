"""How pictures are encoded: codec, quality and pixel format, by default those of the source."""

import re
from dataclasses import dataclass
from pathlib import Path

from dd_tools.errors import DataError, UsageError
from dd_tools.media.colour import Colour
from dd_tools.media.video import VideoInfo

# Codec to ffmpeg's encoder, its constant-quality option, a value hard to tell from the source, and further options.
CODECS = {
    "h264": ("libx264", "crf", 18, {}),
    "hevc": ("libx265", "crf", 20, {"tag:v": "hvc1", "x265-params": "log-level=error"}),
    "vp9": ("libvpx-vp9", "crf", 24, {"b:v": 0, "row-mt": 1, "cpu-used": 4}),
    "av1": ("libsvtav1", "crf", 24, {"preset": 8}),
}
# Container to the codecs it takes, the first where the source's is not among them.
CONTAINERS = {
    ".mp4": ("h264", "hevc", "av1"),
    ".m4v": ("h264", "hevc"),
    ".mov": ("h264", "hevc"),
    ".mkv": ("h264", "hevc", "vp9", "av1"),
    ".webm": ("vp9", "av1"),
}
PIXEL_FORMATS = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le")
_ONLY_420 = ("av1",)
_CHROMA = {"444": "444|gbr|rgb|bgr", "422": "422"}  # what in ffmpeg's names of pixel formats tells it
BT709 = Colour()


@dataclass(frozen=True)
class Encoding:
    """A choice of encoding. codec: one of `CODECS`. quality: the encoder's constant rate factor, smaller is better,
    None for the codec's default. pixel_format: one of `PIXEL_FORMATS`. lossless: exact RGB instead (H.264 of 4:4:4
    kind, which few players show). colour: how RGB becomes YCbCr, and its tags. Raises `UsageError` for anything else.
    """

    codec: str = "h264"
    quality: int | None = None
    pixel_format: str = "yuv420p"
    lossless: bool = False
    colour: Colour = BT709

    def __post_init__(self) -> None:
        for name, value, known in (
            ("codec", self.codec, tuple(CODECS)),
            ("pixel format", self.pixel_format, PIXEL_FORMATS),
        ):
            if value not in known:
                raise UsageError(f"unknown {name} '{value}', expected one of {', '.join(known)}")
        if self.quality is not None and not 0 <= self.quality <= 63:
            raise UsageError(f"quality {self.quality} is out of range, expected 0 (best) to 63")

    @classmethod
    def fitting(
        cls,
        target: Path,
        like: "Encoding | None" = None,
        *,
        codec: str | None = None,
        quality: int | None = None,
        pixel_format: str | None = None,
        lossless: bool = False,
    ) -> "Encoding":
        """What is asked for, and else as `like`, as far as the container of `target` can hold that."""
        like, able = like or cls(), CONTAINERS[check_container(target)]
        codec = codec or (like.codec if like.codec in able else able[0])
        pixel_format = pixel_format or like.pixel_format
        if codec in _ONLY_420:
            pixel_format = "yuv420p10le" if pixel_format.endswith("10le") else "yuv420p"
        return cls(codec, quality, pixel_format, lossless, like.colour)

    @classmethod
    def of(cls, info: VideoInfo) -> "Encoding":
        """The nearest to a source's own that can be written."""
        chroma = next((c for c, names in _CHROMA.items() if re.search(names, info.pixel_format)), "420")
        depth = "10le" if re.search(r"(9|1[0246]|48|64)[lb]e$", info.pixel_format) else ""
        return cls(
            codec=info.codec if info.codec in CODECS else cls.codec,
            pixel_format=cls.pixel_format if info.is_still else f"yuv{chroma}p{depth}",
            colour=info.colour,
        )

    @property
    def deep(self) -> bool:
        """Whether it holds more than 8 bits a value."""
        return self.pixel_format.endswith("10le") and not self.lossless

    @property
    def even(self) -> tuple[bool, bool]:
        """Whether height and width have to be even numbers."""
        return ("420" in self.pixel_format and not self.lossless), (
            "444" not in self.pixel_format and not self.lossless
        )

    def options(self) -> dict[str, object]:
        """ffmpeg's options for it; those of the filter chain are under ``vf``."""
        if self.lossless:
            return {"c:v": "libx264rgb", "qp": 0, "vf": "format=rgb24"}
        encoder, knob, default, more = CODECS[self.codec]
        conversion = (
            f"scale=out_color_matrix={self.colour.matrix}:out_range={self.colour.scale_range}"
            f":flags=accurate_rnd+full_chroma_int+full_chroma_inp+bicubic,format={self.pixel_format}"
        )
        tags = (
            f"setparams=range={self.colour.range}:colorspace={self.colour.space}"
            f":color_primaries={self.colour.primaries}:color_trc={self.colour.transfer}"
        )
        quality = default if self.quality is None else self.quality
        return {"c:v": encoder, knob: quality, **more, "vf": f"{conversion},{tags}"}


def check_container(path: Path) -> str:
    """The suffix of `path` in lower case. Raises `DataError` unless it names a container that can be written."""
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        raise DataError(f"cannot write '{path}': unknown suffix '{path.suffix}'; use one of {' '.join(CONTAINERS)}")
    return suffix
