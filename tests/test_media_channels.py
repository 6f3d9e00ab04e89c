"""Which channels are heard, and which layouts containers get."""

import ffmpeg
import numpy as np
import pytest
import soundfile
from factories import dummy_media, dummy_voice
from media_files import smooth_frames, write_with_audio

from dd_tools.errors import DataError
from dd_tools.media.audio import has_audio, read_audio
from dd_tools.media.joining import AudioTrack
from dd_tools.media.opening import open_media

RATE = 16000


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """Six tracks of a recorder: a tone on each, in a WAV file without a layout, and the samples."""
    time = np.arange(RATE) / RATE
    samples = np.stack([0.1 * (n + 1) * np.sin(2 * np.pi * 200 * (n + 1) * time) for n in range(6)], axis=1)
    path = tmp_path_factory.mktemp("tracks") / "tracks.wav"
    soundfile.write(path, samples, RATE, format="WAV", subtype="PCM_24")
    # Without WAVE_FORMAT_EXTENSIBLE there is no channel mask.
    assert path.read_bytes()[20:22] in (b"\x01\0", b"\xfe\xff")
    return _without_mask(path), samples


def _without_mask(path):
    content = bytearray(path.read_bytes())
    if content[20:22] == b"\xfe\xff":
        content[20:22] = b"\x01\0"
    path.write_bytes(content)
    return path


def test_tracks_without_a_layout_are_averaged_so_each_is_heard(tracks):
    path, samples = tracks
    assert read_audio(path) == pytest.approx(samples.mean(1), abs=1e-4)


@pytest.mark.parametrize("number", [1, 4, 6])
def test_a_channel_is_chosen_by_its_number(tracks, number):
    path, samples = tracks
    assert read_audio(path, channel=number) == pytest.approx(samples[:, number - 1], abs=1e-4)


@pytest.mark.parametrize("number", [0, 7])
def test_a_channel_that_is_not_there_is_one_clear_line(tracks, number):
    for read in (read_audio, AudioTrack):
        with pytest.raises(DataError, match=f"cannot read channel {number} of '.*': it has 6"):
            read(tracks[0], channel=number)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("channel", [None, 4])
def test_the_output_has_what_the_model_heard(program, tracks, tmp_path, suffix, channel):
    path, samples = tracks
    expected = samples.mean(1) if channel is None else samples[:, channel - 1]
    codec = "vp9" if suffix == ".webm" else "h264"
    output = write_with_audio(tmp_path / f"v{suffix}", smooth_frames(25), path, channel=channel, codec=codec)
    with open_media(output) as container:
        assert container.streams.audio[0].codec_context.layout.nb_channels == 1
    found = read_audio(output)[:RATE]
    assert np.corrcoef(found, expected[: len(found)])[0, 1] > 0.99


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize(
    ("layout", "expected"),
    [("mono", "mono"), ("stereo", "stereo"), ("5.1(side)", "5.1"), ("5.1", "5.1"), ("quad(side)", None), ("7.1", None)],
)
def test_every_layout_fits_every_container(program, tmp_path, suffix, layout, expected):
    count = {"mono": 1, "stereo": 2, "quad(side)": 4, "7.1": 8}.get(layout, 6)
    voices = "|".join(f"0.1*sin({200 * (n + 1)}*2*PI*t)" for n in range(count))
    tone = ffmpeg.input(f"aevalsrc={voices}:duration=1:channel_layout={layout}", format="lavfi")
    audio = dummy_media(tmp_path / "a.mka", tone, acodec="flac")
    codec = "vp9" if suffix == ".webm" else "h264"
    path = write_with_audio(tmp_path / f"v{suffix}", smooth_frames(25), audio, codec=codec)
    with open_media(path) as container:
        found = container.streams.audio[0].codec_context.layout.name
    assert "channels" not in found and (expected is None or found == expected)
    assert np.abs(read_audio(path)).max() > 0.02


def test_audio_of_an_unknown_codec_is_one_line(tmp_path):
    path = dummy_voice(tmp_path / "voice.wav")
    path.write_bytes(path.read_bytes()[:20] + b"\x77\x77" + path.read_bytes()[22:])  # the format tag
    assert not has_audio(path)
    with pytest.raises(DataError, match=r"cannot read '.*voice\.wav': the codec of its audio is unknown"):
        read_audio(path)
