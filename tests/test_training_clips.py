"""Which clips a training uses and how often: tables, fractions, speakers, and clip files."""

import itertools

import numpy as np
import pytest
import torch
from factories import dummy_clip

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.clip import Framing
from dd_tools.training.clip_files import ClipFiles
from dd_tools.training.clips import SpeakerBalance, draw_from, fraction_of, read_delays, read_names, read_speakers


@pytest.mark.parametrize(("power", "often"), [(0, 1 / 2), (0.5, 3 / 4), (1, 9 / 10)])
def test_speakers_of_many_clips_are_drawn_more_often_by_a_power_of_their_number(power, often):
    names = [f"a{i}" for i in range(9)] + ["lone"]
    balance = SpeakerBalance(names, dict.fromkeys(names[:9], "a"), power)
    generator = torch.Generator().manual_seed(0)
    draws = [balance.draw(generator) for _ in range(4000)]
    assert np.mean([clip < 9 for clip in draws]) == pytest.approx(often, abs=0.03)
    np.testing.assert_allclose(balance.probabilities, [often / 9] * 9 + [1 - often])


def test_clips_that_are_not_listed_are_speakers_of_their_own():
    """Also where one is named as a listed speaker is."""
    balance = SpeakerBalance(["a", "b", "c", "d"], {"a": "d", "b": "d"})
    np.testing.assert_allclose(balance.probabilities, [1 / 6, 1 / 6, 1 / 3, 1 / 3])


def test_items_are_drawn_evenly():
    generator = torch.Generator().manual_seed(0)
    counts = np.bincount([draw_from(range(4), generator) for _ in range(4000)])
    np.testing.assert_allclose(counts / 4000, 0.25, atol=0.03)


def test_fractions_are_nested_and_never_empty():
    names = [f"clip{i:03}" for i in range(37)]
    shares = [set(fraction_of(names, share)) for share in (0.001, 0.1, 0.5, 1.0)]
    assert [len(share) for share in shares] == [1, 4, 18, 37]
    assert all(small < large for small, large in itertools.pairwise(shares))
    assert fraction_of(names[::-1], 0.5) == fraction_of(names, 0.5)
    for wrong in (0, -0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="data fraction must be above 0 and at most 1"):
            fraction_of(names, wrong)


def test_tables_are_read_by_clip(tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("a\tone\nb b\ttwo words\n")
    assert read_speakers(table) == {"a": "one", "b b": "two words"}
    table.write_text("a\t-2\nb\t3\n")
    assert read_delays(table) == {"a": -2, "b": 3}
    table.write_text("a\n\n b \n")
    assert read_names(table) == {"a", "b"}


@pytest.mark.parametrize(
    ("read", "content", "complaint"),
    [
        (read_speakers, b"a\tone\nb\n", "line 2 has 1 columns, expected clip name and speaker"),
        (read_delays, b"a\t1\tb\n", "line 1 has 3 columns, expected clip name and delay"),
        (read_delays, b"a\t-2\nb\t1.5\n", "line 2 has delay '1.5', expected an integer"),
        (read_speakers, b"\xff\xfe\x00", "not a text file"),
        (read_names, b"\xff\xfe\x00", "not a text file"),
        (read_names, None, "no such file"),
        (read_delays, None, "no such file"),
    ],
)
def test_a_broken_table_is_named_with_its_line(tmp_path, read, content, complaint):
    table = tmp_path / "table.tsv"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(DataError, match=f"cannot read '.*table.tsv': {complaint}"):
        read(table)


def test_clips_are_drawn_alike_one_by_one_and_together():
    balance = SpeakerBalance(["a", "b", "c", "d"], {"a": "x", "b": "x", "c": "x"}, power=0.5)
    drawn = np.bincount(balance.draw_many(6000, torch.Generator().manual_seed(0)), minlength=4) / 6000
    np.testing.assert_allclose(drawn, balance.probabilities, atol=0.02)


def test_clip_files_know_their_usable_frames(tmp_path):
    paths = [dummy_clip(tmp_path / "a.h5"), dummy_clip(tmp_path / "b.h5", unusable=[0, 3])]
    files = ClipFiles(paths, Framing(32, "face", "steady"))
    assert len(files) == 2
    assert [usable.tolist() for usable in files.usable] == [[0, 1, 2, 3, 4, 5], [1, 2, 4, 5]]
    with pytest.raises(DataError, match=r"'.*a.h5': prepared with --size 32.*, the renderer takes --size 96"):
        ClipFiles(paths, Framing(96, "face", "steady"))
