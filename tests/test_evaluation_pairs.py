"""Which videos become pairs, and how the others are reported."""

from pathlib import Path

import pytest

from dd_tools.errors import DataError, UsageError
from dd_tools.evaluation.pairs import match_pairs


def make(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def pairs_of(matching) -> list[tuple[str, str, str]]:
    return [(pair.system, pair.clip, f"{pair.generated.name}={pair.truth.name}") for pair in matching.pairs]


def test_folders_pair_by_name_and_ignore_other_files(tmp_path):
    ours = make(tmp_path / "ours", "b.mkv", "a.MP4", "notes.txt", ".hidden.mp4")
    true = make(tmp_path / "gt", "a.mp4", "b.mp4", "a.wav")
    matching = match_pairs([ours], [true])
    assert pairs_of(matching) == [("ours", "a", "a.MP4=a.mp4"), ("ours", "b", "b.mkv=b.mp4")]
    assert matching.missing == []


def test_one_truth_serves_several_systems(tmp_path):
    systems = [make(tmp_path / name, "a.mp4") for name in ("x", "y")]
    matching = match_pairs(systems, [make(tmp_path / "gt", "a.mp4")])
    assert [pair.system for pair in matching.pairs] == ["x", "y"]


@pytest.mark.parametrize(("content", "message"), [("a\0.mp4\tb.mp4\n", "not a text file"), ("\n\n", "no pairs")])
def test_a_list_that_names_no_files_is_one_line(tmp_path, content, message):
    (tmp_path / "pairs.tsv").write_text(content)
    with pytest.raises(DataError, match=message):
        match_pairs([tmp_path / "pairs.tsv"], [])


def test_systems_in_folders_of_the_same_name_are_kept_apart(tmp_path):
    systems = [tmp_path / one / "out" for one in ("ours", "theirs")]
    for folder in systems:
        folder.parent.mkdir()
        make(folder, "a.mp4")
    other, true = make(tmp_path / "other", "a.mp4"), make(tmp_path / "gt", "a.mp4")
    matching = match_pairs([*systems, other], [true])
    assert [pair.system for pair in matching.pairs] == ["ours/out", "theirs/out", "other"]
    (tmp_path / "pairs.tsv").write_text("ours/out/a.mp4\tgt/a.mp4\ntheirs/out/a.mp4\tgt/a.mp4\n")
    assert [pair.system for pair in match_pairs([tmp_path / "pairs.tsv"], []).pairs] == ["ours/out", "theirs/out"]


def test_missing_partners_are_named_on_both_sides(tmp_path):
    ours, true = make(tmp_path / "ours", "a.mp4", "b.mp4"), make(tmp_path / "gt", "b.mp4", "c.mp4")
    matching = match_pairs([ours], [true])
    assert [pair.clip for pair in matching.pairs] == ["b"]
    assert matching.missing == [
        f"no truth for '{ours / 'a.mp4'}'",
        f"no generated video in '{ours}' for '{true / 'c.mp4'}'",
    ]


def test_a_clip_that_one_system_lacks_is_named_though_another_has_it(tmp_path):
    full, partial = make(tmp_path / "x", "a.mp4", "b.mp4"), make(tmp_path / "y", "a.mp4")
    true = make(tmp_path / "gt", "a.mp4", "b.mp4")
    assert match_pairs([full, partial], [true]).missing == [f"no generated video in '{partial}' for '{true / 'b.mp4'}'"]


def test_files_with_common_names_pair_by_name_in_any_order(tmp_path):
    ours, true = make(tmp_path / "ours", "a.mp4", "b.mp4"), make(tmp_path / "gt", "a.mp4", "b.mp4")
    matching = match_pairs([ours / "b.mp4", ours / "a.mp4"], [true / "a.mp4", true / "b.mp4"])
    assert [name for _, _, name in pairs_of(matching)] == ["b.mp4=b.mp4", "a.mp4=a.mp4"]


def test_other_files_pair_in_order(tmp_path):
    folder = make(tmp_path / "videos", "out1.mp4", "out2.mp4", "gt1.mp4", "gt2.mp4")
    matching = match_pairs([folder / "out1.mp4", folder / "out2.mp4"], [folder / "gt1.mp4", folder / "gt2.mp4"])
    assert pairs_of(matching) == [("videos", "out1", "out1.mp4=gt1.mp4"), ("videos", "out2", "out2.mp4=gt2.mp4")]


def test_counts_that_cannot_be_paired_are_a_usage_error(tmp_path):
    folder = make(tmp_path / "videos", "out1.mp4", "out2.mp4", "gt1.mp4")
    with pytest.raises(UsageError, match="2 generated but 1 true videos"):
        match_pairs([folder / "out1.mp4", folder / "out2.mp4"], [folder / "gt1.mp4"])


def test_ambiguous_missing_and_empty(tmp_path):
    true = make(tmp_path / "gt", "a.mp4", "a.mkv")
    with pytest.raises(DataError, match="such as 'a'"):
        match_pairs([make(tmp_path / "ours", "a.mp4")], [true])
    with pytest.raises(DataError, match=r"several generated videos in '.*two' have the same name, such as 'b'"):
        match_pairs([make(tmp_path / "two", "b.mp4", "b.mkv")], [make(tmp_path / "one", "b.mp4")])
    with pytest.raises(DataError, match=r"cannot read '.*nowhere': no such file or folder"):
        match_pairs([tmp_path / "nowhere"], [true])
    with pytest.raises(DataError, match="no videos in folder"):
        match_pairs([make(tmp_path / "empty", "readme.txt")], [true])


def test_a_list_names_pairs_relative_to_its_folder(tmp_path):
    (tmp_path / "pairs.tsv").write_text("generated\ttruth\nours/x.mp4\tgt/a b.mp4\n\n/far/y.mp4\tgt/c.mp4\n")
    matching = match_pairs([tmp_path / "pairs.tsv"], [])
    assert [(pair.system, pair.clip, pair.generated, pair.truth) for pair in matching.pairs] == [
        ("ours", "x", tmp_path / "ours/x.mp4", tmp_path / "gt/a b.mp4"),
        ("far", "y", Path("/far/y.mp4"), tmp_path / "gt/c.mp4"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4 b.mp4\n", r"cannot use '.*pairs.tsv': line 1 has 1 columns, expected 2 separated by a tab"),
        ("a\tb\nc\td\te\n", r"line 2 has 3 columns"),
        ("\n", r"no pairs in '.*pairs.tsv'"),
        ("generated\ttruth\n", r"no pairs in '.*pairs.tsv'"),
    ],
)
def test_a_malformed_list_is_refused(tmp_path, text, message):
    (tmp_path / "pairs.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        match_pairs([tmp_path / "pairs.tsv"], [])


def test_a_list_that_cannot_be_read_or_is_not_the_only_input(tmp_path):
    (tmp_path / "pairs.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"cannot read '.*pairs.tsv': not a text file"):
        match_pairs([tmp_path / "pairs.tsv"], [])
    with pytest.raises(DataError, match=r"cannot read '.*gone.tsv': no such file or directory"):
        match_pairs([tmp_path / "gone.tsv"], [])
    for generated, truth in (([tmp_path / "pairs.tsv"], [tmp_path]), ([tmp_path / "pairs.tsv", tmp_path], [])):
        with pytest.raises(UsageError, match="must be the only input"):
            match_pairs(generated, truth)
