"""Open video and audio files with PyAV. Only formats that hold their own data are opened.

A playlist (HLS, DASH, ffconcat) or a numbered sequence of images names other files, which need not be the user's. So
the demuxers and the protocols are limited, for PyAV and for the ffmpeg program alike.
"""

import contextlib
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition, Stream

from dd_tools.errors import DataError
from dd_tools.formats.companions import utf8_path

DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,apng,asf,au,av1,avi,caf,dts,dtshd,dv,eac3,flac,flv,gif,gxf,h261,h263,h264,hevc,"
    "iff,ivf,loas,m4v,matroska,mjpeg,mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,mpegvideo,mxf,nsv,nut,obu,ogg,rm,sox,swf,tak,"
    "truehd,tta,vc1,voc,vvc,w64,wav,wtv,wv,yuv4mpegpipe"
)
# The options of ffmpeg and PyAV that limit an input.
LIMITS = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_FIRST_BRAND = 8  # its offset in an ISO base media file


def file_url(path: str | Path) -> str:
    """`path` in ffmpeg's file protocol, so that colons and leading dashes have no special meaning."""
    return f"file:{path}"


@contextlib.contextmanager
def utf8_urls(paths: Iterable[Path]) -> Iterator[dict[Path, str]]:
    """The `file_url` of each path, or of another path of the same file where it is not UTF-8, for ffmpeg-python."""
    with contextlib.ExitStack() as stack:
        yield {path: file_url(stack.enter_context(utf8_path(path))) for path in set(paths)}


def check_input(path: str | Path) -> None:
    """Raise `DataError` unless `path` is a readable file that is not empty."""
    path = Path(path)
    if path.is_dir():
        raise DataError(f"cannot read '{path}': it is a folder")
    if not path.exists():
        raise DataError(f"cannot read '{path}': no such file")
    if not os.access(path, os.R_OK):
        raise DataError(f"cannot read '{path}': permission denied")
    if stat.S_ISFIFO(path.stat().st_mode):
        raise DataError(f"cannot read '{path}': it is a pipe, and it is read more than once; write it to a file first")
    if path.stat().st_size == 0 and path.is_file():
        raise DataError(f"cannot read '{path}': empty file")


@contextlib.contextmanager
def open_media(path: str | Path) -> Iterator[InputContainer]:
    """Open a video or audio file. Raises `DataError` for any other file."""
    check_input(path)
    if _is_heif(path):
        raise DataError(f"cannot read '{path}': HEIC images are not read; save it as JPEG or PNG")
    try:
        container = av.open(file_url(path), container_options=LIMITS, metadata_errors="replace")
    except av.error.FFmpegError:
        raise _not_media_error(path) from None
    with container:
        yield container


def _not_media_error(path: str | Path) -> DataError:
    boxes = list(_top_level_boxes(path))
    if b"ftyp" in boxes and b"moov" not in boxes:
        return DataError(f"cannot read '{path}': truncated, the index at the end of the MP4 is missing")
    return DataError(f"cannot read '{path}': not a video or audio file")


def _is_heif(path: str | Path) -> bool:
    with open(path, "rb") as stream:
        start = stream.read(_FIRST_BRAND + 4)
    return start[4:_FIRST_BRAND] == b"ftyp" and start[_FIRST_BRAND:] in _HEIF_BRANDS


def _top_level_boxes(path: str | Path) -> Iterator[bytes]:
    """The types of the outermost boxes of an ISO base media file; nothing useful for other files."""
    with open(path, "rb") as stream:
        while len(header := stream.read(16)) >= 8:
            size, kind = struct.unpack(">I4s", header[:8])
            if size == 1 and len(header) == 16:
                size = struct.unpack(">Q", header[8:])[0]
            yield kind
            if size < 8:
                return
            stream.seek(size - len(header), os.SEEK_CUR)


def video_stream(container: InputContainer) -> Stream | None:
    """The first video stream with a known codec; None if there is none. Cover art does not count."""
    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    return next((one for one in container.streams.video if one.codec_context and not one.disposition & covers), None)


def audio_stream(container: InputContainer) -> Stream | None:
    """The first audio stream with a known codec; None if there is none."""
    return next((one for one in container.streams.audio if one.codec_context), None)


def start_of(container: InputContainer) -> float:
    """Time of the earliest stream in seconds, which is time 0 of this package."""
    start = (container.start_time or 0) / av.time_base
    # Before 0, Matroska has only what an audio decoder needs to start, which is not heard; some FFmpegs count it.
    return max(0.0, start) if "matroska" in container.format.name else start
