"""Videos as browsers, televisions, screen recorders and phones write them."""

import struct
import subprocess
from pathlib import Path

import av
import ffmpeg
import numpy as np
import pytest
from factories import dummy_media, dummy_video
from media_files import smooth_frames, write_video

from dd_tools.media.codecs import Encoding
from dd_tools.media.encode import VideoWriter
from dd_tools.media.ffmpeg import ffmpeg_path
from dd_tools.media.probe import probe
from dd_tools.media.side_data import hdr_metadata
from dd_tools.media.video import read_frames


def _joined(path: Path, *parts: Path) -> Path:
    """MPEG-TS files one after another, as a live encoder writes them when its settings change."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def _flat(path: Path, size: tuple[int, int], start: float, colour: str) -> Path:
    card = ffmpeg.input(f"color={colour}:size={size[0]}x{size[1]}:rate=25:duration=0.4", format="lavfi")
    return dummy_media(path, card, pix_fmt="yuv420p", output_ts_offset=start, g=5, bf=0)


@pytest.mark.parametrize("sizes", [[(64, 48), (128, 96)], [(128, 96), (64, 48)]])
def test_frames_of_several_sizes_get_the_largest(tmp_path, sizes):
    parts = [_flat(tmp_path / f"{n}.ts", size, 0.4 * n, ("red", "lime")[n]) for n, size in enumerate(sizes)]
    path = _joined(tmp_path / "v.ts", *parts)
    info, frames = probe(path), list(read_frames(path))
    assert (info.width, info.height, info.resized) == (128, 96, True)
    assert {frame.image.shape for frame in frames} == {(96, 128, 3)}
    strongest = [int(frame.image.mean((0, 1)).argmax()) for frame in frames]
    assert strongest == sorted(strongest) and strongest.count(1) == 10
    assert strongest.count(0) in (9, 10)  # the frame at the joint may be lost
    (line,) = info.remarks()
    assert line == f"'{path}' changes its frame size; all frames are scaled to 128x96"
    assert not probe(parts[0]).resized and probe(parts[0]).remarks() == []


def test_a_clock_of_milliseconds_is_not_a_frame_rate(tmp_path):
    """As browsers record: no frame rate, no duration, times in milliseconds with a pause."""
    path = tmp_path / "v.webm"
    with av.open(str(path), "w", options={"live": "1"}) as container:
        stream = container.add_stream("libvpx", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index, image in enumerate(smooth_frames(40, (64, 48))):
            frame = av.VideoFrame.from_ndarray(image)
            frame.pts = round(index * 1000 / 30) + (500 if index > 20 else 0)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert probe(path).frame_rate == pytest.approx(30, abs=0.5)


def _long_last(path: Path, seconds: float) -> Path:
    """A video of 10 frames at 25 a second whose last frame is shown for `seconds`."""
    source = write_video(path.with_name("s.mp4"), smooth_frames(10))
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        packets = [packet for packet in given.demux(video=0) if packet.dts is not None]
        for packet in packets:
            packet.stream = stream
            if packet is packets[-1]:
                packet.duration = round(seconds / packet.time_base)
            container.mux(packet)
    return path


def test_a_last_frame_lasts_as_long_as_the_file_says(tmp_path):
    path = _long_last(tmp_path / "v.mp4", 2.0)
    frames = list(read_frames(path))
    assert len(frames) == 10 and probe(path).frame_rate == 25
    end = max(frame.pts + frame.duration for frame in frames)
    assert end == pytest.approx(0.36 + 2, abs=0.09)  # it is last in the order of decoding


def _interlaced(path: Path) -> Path:
    """A bar that moves eight pixels per field, top field first."""
    fields = np.full((40, 64, 96), 30, np.uint8)
    for n in range(40):
        fields[n, :, 8 * (n % 10) : 8 * (n % 10) + 8] = 220
    frames = fields[::2].copy()
    frames[:, 1::2] = fields[1::2, 1::2]
    chroma = np.full((20, 64 * 96 // 2), 128, np.uint8)
    source = ffmpeg.input("pipe:", format="rawvideo", pixel_format="yuv420p", s="96x64", r=25)
    options = {"c:v": "libx264", "qp": 0, "flags": "+ildct+ilme", "x264-params": "tff=1"}
    command = ffmpeg.output(source, str(path), vf="setfield=tff", **options).compile(cmd=[ffmpeg_path(), "-v", "error"])
    content = np.concatenate([frames.reshape(20, -1), chroma], axis=1).tobytes()
    subprocess.run(command, input=content, check=True)
    return path


def _combing(image: np.ndarray) -> float:
    """Mean difference between odd and even lines, in levels."""
    grey = image.mean(-1)
    return float(np.abs(grey[1:-1:2] - (grey[:-2:2] + grey[2::2]) / 2).mean())


def test_interlaced_frames_are_made_whole_on_request_and_else_reported(tmp_path):
    path = _interlaced(tmp_path / "v.mp4")
    info = probe(path)
    kept, whole = list(read_frames(info)), list(read_frames(info, deinterlace=True))
    assert info.interlaced and not probe(dummy_video(tmp_path / "p.mp4", seconds=0.2)).interlaced
    assert [frame.pts for frame in kept] == [frame.pts for frame in whole]
    assert all(_combing(frame.image) > 20 for frame in kept)
    assert all(_combing(frame.image) < 8 for frame in whole[1:-1])
    assert info.remarks() == [f"'{path}' is interlaced and stays so; --deinterlace makes whole frames"]
    assert info.remarks(deinterlace=True) == []


def test_progressive_frames_are_the_same_with_deinterlacing(tmp_path):
    path = dummy_video(tmp_path / "v.mp4", seconds=0.4)
    for one, other in zip(read_frames(path), read_frames(path, deinterlace=True), strict=True):
        assert one.pts == other.pts and np.array_equal(one.image, other.image)


HDR = {"master-display": "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)", "max-cll": "1000,400"}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_hdr_metadata_are_kept_in_hevc(program, tmp_path, suffix):
    path = tmp_path / f"v{suffix}"
    encoding = Encoding("hevc", pixel_format="yuv420p10le", hdr=HDR)
    with VideoWriter(path, 96, 64, 25, encoding, high_bit_depth=True) as writer:
        for index, image in enumerate(smooth_frames(3)):
            writer.write(image * np.uint16(256), index / 25)
    assert probe(path).hdr == HDR
    assert Encoding.from_source(probe(path)).hdr == HDR and not encoding.loses_hdr
    assert Encoding("h264", hdr=HDR).loses_hdr and not Encoding("h264").loses_hdr


def test_hdr_metadata_are_those_that_ffmpeg_shows(tmp_path):
    """The values of the frame's side data, in the units of HEVC."""

    class Data:
        def __init__(self, name: str, content: bytes):
            self.type, self._content = type("Type", (), {"name": name}), content

        def __bytes__(self) -> bytes:
            return self._content

    primaries = [(34, 50), (16, 50), (13, 50), (34, 50), (7, 50), (3, 50), (15, 48), (16, 48)]
    display = struct.pack("=22i", *sum(primaries, ()), 1, 200, 1000, 1, 1, 1)
    frame = type("Frame", (), {"side_data": [Data("MASTERING_DISPLAY_METADATA", display)]})
    assert hdr_metadata(frame) == {
        "master-display": "G(13000,34000)B(7000,3000)R(34000,16000)WP(15625,16667)L(10000000,50)"
    }
