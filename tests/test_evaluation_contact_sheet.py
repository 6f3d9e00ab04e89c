"""Which mouths the contact sheet shows, and where."""

import numpy as np
import pytest
from factories import dummy_face_landmarks
from PIL import Image

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.pairs import VideoPair
from dd_tools.evaluation.report.contact_sheet import COLUMNS, MouthRows, write_contact_sheet

LANDMARKS = dummy_face_landmarks()


def rows_of(count: int, faceless: tuple[int, ...] = ()) -> MouthRows:
    """Rows of frames whose grey level is their index in the truth, and half of it in the generated video."""
    rows = MouthRows()
    for index in range(count):
        truth, generated = (np.full((96, 96, 3), level, np.uint8) for level in (index, index // 2))
        rows.add(FramePair(FaceFrame(truth, None if index in faceless else LANDMARKS), FaceFrame(generated, None)))
    return rows


@pytest.mark.parametrize(
    ("count", "shown"),
    [(1, [0]), (16, range(16)), (17, range(0, 17, 2)), (33, range(0, 33, 4)), (200, range(0, 200, 16))],
)
def test_mouths_are_evenly_spaced_and_never_too_many(count, shown):
    pixels = rows_of(count).pixels()
    columns = pixels.shape[1] // 96
    assert columns <= COLUMNS
    assert [int(pixels[10, 96 * column + 10, 0]) for column in range(columns)] == list(shown)
    assert [int(pixels[82, 96 * column + 10, 0]) for column in range(columns)] == [level // 2 for level in shown]


def test_frames_without_a_face_are_skipped():
    assert [int(level) for level in rows_of(4, faceless=(0, 2)).pixels()[0, ::96, 0]] == [1, 3]


def test_sheet_stacks_clips_of_different_lengths(tmp_path):
    pairs = [VideoPair("ours", name, tmp_path / name, tmp_path / name) for name in "ab"]
    write_contact_sheet(dict(zip(pairs, (rows_of(2), rows_of(5)), strict=True)), tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * (14 + 144), 5 * 96, 3)
    assert (sheet[20, 200:] == 255).all()
    assert sheet[-1, -1, 0] == 2
