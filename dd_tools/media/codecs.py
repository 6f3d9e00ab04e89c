"""Video encodings: codec, quality and pixel format, by default those of the source."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from dd_tools.errors import UsageError
from dd_tools.media.colour import Colour
from dd_tools.media.containers import CONTAINERS, check_container
from dd_tools.media.probe import VideoInfo


@dataclass(frozen=True)
class Codec:
    """How ffmpeg encodes a codec.

    encoder: ffmpeg's name of the encoder.
    quality: default of the constant rate factor (option "crf"), visually close to lossless.
    options: further options.
    only_420: whether the encoder takes no other chroma subsampling than 4:2:0.
    """

    encoder: str
    quality: int
    options: dict[str, object] = field(default_factory=dict)
    only_420: bool = False


# At 1080p, the presets of x264 and x265 take 0.43 and 0.53 of the time of "medium", for files of the same size (0.05 to
# 0.15 more or less) with 0.8 and 2.5 dB less, at more than 50 dB.
CODECS = {
    "h264": Codec("libx264", 17, {"preset": "veryfast"}),
    "hevc": Codec("libx265", 19, {"preset": "superfast", "tag:v": "hvc1", "x265-params": "log-level=error"}),
    "vp9": Codec("libvpx-vp9", 24, {"b:v": 0, "row-mt": 1, "cpu-used": 4}),
    "av1": Codec("libsvtav1", 24, {"preset": 8}, only_420=True),
}
PIXEL_FORMATS = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le")
MAX_QUALITY = 63
BT709 = Colour()
# Chroma subsampling to a pattern in the names of ffmpeg's pixel formats; all other formats count as 4:2:0.
_CHROMA = {"444": "444|gbr|rgb|bgr", "422": "422"}
_HIGH_BIT_DEPTH = r"(9|1[0246]|48|64)[lb]e$"


@dataclass(frozen=True)
class Encoding:
    """How a video is encoded. Raises `UsageError` for unknown or impossible values.

    codec: one of `CODECS`.
    quality: constant rate factor, 0 (best) to 63; None for the default of the codec.
    pixel_format: one of `PIXEL_FORMATS`.
    lossless: store exact RGB as H.264, which few players support; `codec`, `quality` and `pixel_format` are ignored.
    colour: how RGB is converted to YCbCr, and the tags.
    hdr: mastering display and content light level, see `dd_tools.media.side_data.hdr_metadata`; only HEVC stores them.
    """

    codec: str = "h264"
    quality: int | None = None
    pixel_format: str = "yuv420p"
    lossless: bool = False
    colour: Colour = BT709
    hdr: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("codec", self.codec, tuple(CODECS)),
            ("pixel format", self.pixel_format, PIXEL_FORMATS),
        ):
            if value not in known:
                raise UsageError(f"unknown {name} '{value}', expected one of {', '.join(known)}")
        if self.quality is not None and not 0 <= self.quality <= MAX_QUALITY:
            raise UsageError(f"quality {self.quality} is out of range, expected 0 (best) to {MAX_QUALITY}")

    @classmethod
    def from_source(cls, info: VideoInfo) -> "Encoding":
        """The encoding closest to that of a source."""
        chroma = next((name for name, pattern in _CHROMA.items() if re.search(pattern, info.pixel_format)), "420")
        depth = "10le" if re.search(_HIGH_BIT_DEPTH, info.pixel_format) else ""
        return cls(
            codec=info.codec if info.codec in CODECS else cls.codec,
            pixel_format=cls.pixel_format if info.is_still else f"yuv{chroma}p{depth}",
            colour=info.colour,
            hdr=info.hdr,
        )

    @classmethod
    def for_target(
        cls,
        target: Path,
        default: "Encoding | None" = None,
        *,
        codec: str | None = None,
        quality: int | None = None,
        pixel_format: str | None = None,
        lossless: bool = False,
    ) -> "Encoding":
        """The encoding of the file `target`.

        default: gives the colour and the HDR metadata, and the codec and the pixel format if they are None; its codec
        only if the container takes it. quality: None for the default of the codec. AV1 is always 4:2:0. Raises
        `DataError` for an unknown container, `UsageError` for unknown values.
        """
        default, codecs = default or cls(), CONTAINERS[check_container(target)]
        codec = codec or (default.codec if default.codec in codecs else codecs[0])
        pixel_format = pixel_format or default.pixel_format
        if codec in CODECS and CODECS[codec].only_420:
            pixel_format = "yuv420p10le" if pixel_format.endswith("10le") else "yuv420p"
        return cls(codec, quality, pixel_format, lossless, default.colour, default.hdr)

    @property
    def high_bit_depth(self) -> bool:
        """Whether it stores more than 8 bits per value."""
        return self.pixel_format.endswith("10le") and not self.lossless

    @property
    def loses_hdr(self) -> bool:
        """Whether the HDR metadata are not stored."""
        return bool(self.hdr) and (self.codec != "hevc" or self.lossless)

    @property
    def needs_even_size(self) -> tuple[bool, bool]:
        """Whether the height must be even, and whether the width must."""
        return (
            "420" in self.pixel_format and not self.lossless,
            "444" not in self.pixel_format and not self.lossless,
        )

    def options(self) -> dict[str, object]:
        """ffmpeg's output options; "vf" is the filter chain."""
        if self.lossless:
            return {"c:v": "libx264rgb", "qp": 0, "vf": "format=rgb24"}
        codec = CODECS[self.codec]
        conversion = (
            f"scale=out_color_matrix={self.colour.matrix}:out_range={self.colour.scale_range}"
            f":flags=accurate_rnd+full_chroma_int+full_chroma_inp+bicubic,format={self.pixel_format}"
        )
        tags = (
            f"setparams=range={self.colour.range}:colorspace={self.colour.space}"
            f":color_primaries={self.colour.primaries}:color_trc={self.colour.transfer}"
        )
        quality = codec.quality if self.quality is None else self.quality
        options = {"c:v": codec.encoder, "crf": quality, **codec.options, "vf": f"{conversion},{tags}"}
        if self.hdr and not self.loses_hdr:
            hdr = ":".join(f"{name}={value}" for name, value in self.hdr.items())
            options["x265-params"] = f"{options['x265-params']}:{hdr}"
        return options
