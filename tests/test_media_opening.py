"""Only formats that hold their own data are opened, whatever the file is called."""

import os
from pathlib import Path

import ffmpeg
import numpy as np
import pytest
from factories import dummy_media, dummy_video
from PIL import Image

from dd_tools.errors import DataError
from dd_tools.media.audio import has_audio, read_audio
from dd_tools.media.joining import AudioTrack
from dd_tools.media.video import probe, read_frames

NOT_MEDIA = "not a video or audio file"


def _playlists(folder: Path, other: Path) -> dict[str, str]:
    """Names to contents of files that only name `other`."""
    return {
        "concat.mp4": f"ffconcat version 1.0\nfile {other.name}\n",
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n",
        "hidden.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:{other}\n#EXT-X-ENDLIST\n",
        "list.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        f'<AdaptationSet><Representation><BaseURL>{other}</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "call.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["concat.mp4", "list.m3u8", "hidden.mp4", "list.mpd", "call.sdp"])
def test_a_file_that_only_names_others_is_not_opened(program, tmp_path, name):
    other = dummy_video(tmp_path / "other.ts", seconds=0.2)
    path = tmp_path / name
    path.write_text(_playlists(tmp_path, other)[name])
    for read in (probe, read_frames, has_audio, read_audio, AudioTrack):
        with pytest.raises(DataError, match=NOT_MEDIA):
            read(path)


@pytest.mark.parametrize("name", ["subfile,,start,0,end,0,,:v.mp4", "concat:v.mp4|v.mp4", "data:video", "pipe:0"])
def test_protocols_are_names_of_files(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    dummy_video(tmp_path / "v.mp4", seconds=0.2)
    for read in (probe, has_audio, read_audio):
        with pytest.raises(DataError, match="no such file"):
            read(Path(name))


def test_a_pattern_is_the_name_of_one_file(tmp_path):
    for number, colour in enumerate(("red", "lime", "blue")):
        Image.new("RGB", (32, 32), colour).save(tmp_path / f"frame{number}.png")
    with pytest.raises(DataError, match="no such file"):
        probe(tmp_path / "frame%d.png")
    Image.new("RGB", (32, 32), "white").save(tmp_path / "frame%d.png")
    (frame,) = read_frames(tmp_path / "frame%d.png")
    assert (frame.image == 255).all()
    assert not has_audio(tmp_path / "frame%d.png")


def test_a_gif_is_a_video(tmp_path):
    card = ffmpeg.input("testsrc2=size=64x48:rate=10:duration=0.5", format="lavfi")
    assert len(list(read_frames(dummy_media(tmp_path / "v.gif", card)))) == 5


@pytest.mark.parametrize("suffix", ["avi", "flv", "mkv", "mov", "mp4", "mpg", "mxf", "nut", "ts", "webm", "wmv", "y4m"])
def test_containers_that_hold_their_own_data_are_read(tmp_path, suffix):
    codecs = {"webm": {"c:v": "libvpx"}, "mxf": {"c:v": "mpeg2video"}}.get(suffix, {})
    card = ffmpeg.input("testsrc2=size=64x48:rate=25:duration=0.4", format="lavfi")
    path = dummy_media(tmp_path / f"v.{suffix}", card, pix_fmt="yuv420p", **codecs)
    assert len(list(read_frames(path))) == 10


@pytest.mark.parametrize(
    "suffix", ["aac", "ac3", "aiff", "caf", "flac", "m4a", "mka", "mp3", "ogg", "opus", "wav", "wma"]
)
def test_audio_files_that_hold_their_own_data_are_read(tmp_path, suffix):
    tone = ffmpeg.input("sine=frequency=440:duration=1:sample_rate=48000", format="lavfi")
    samples = read_audio(dummy_media(tmp_path / f"a.{suffix}", tone))
    assert len(samples) / 16000 == pytest.approx(1, abs=0.1) and np.abs(samples).max() > 0.05


def test_a_pipe_is_refused_as_video(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(DataError, match="it is a pipe"):
        probe(tmp_path / "pipe.mp4")


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_is_named_and_what_to_do(tmp_path, brand):
    path = tmp_path / "photo.heic"
    path.write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(2000))
    for read in (probe, has_audio):
        with pytest.raises(DataError, match="HEIC images are not read; save it as JPEG or PNG"):
            read(path)
