"""dd-study score: which results count, who is screened, and what is printed and written."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import call
from opinion_raters import Opinions, attentive, clicker, document, made_up_key, result_of, save_steady_result
from study_plans import dummy_plan, write_plan

from dd_tools.evaluation.study.analysis import preference_counts
from dd_tools.evaluation.study.key import PREFERENCE, RATED, REPEAT, TRAP, write_key
from dd_tools.evaluation.study.results import Answer, Result
from dd_tools.evaluation.study.screening import reasons_to_screen

QUALITY = {"ours": 4.4, "wav2lip": 3.1, "iplap": 3.4, "anchor": 2.0}


def save(folder: Path, results: list[Result]) -> list[Path]:
    paths = [folder / f"rater-{result.rater}.json" for result in results]
    for path, result in zip(paths, results, strict=True):
        path.write_text(json.dumps(document(result)))
    return paths


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A folder with a key and the results of twelve attentive raters; and the key."""
    monkeypatch.chdir(tmp_path)
    key = made_up_key()
    opinions = Opinions(QUALITY, np.random.default_rng(7))
    results = [result_of(key, rater, attentive(key, rater, opinions)) for rater in key.sessions]
    write_key(key, tmp_path / "study.key.json")
    (tmp_path / "results").mkdir()
    save(tmp_path / "results", results)
    return tmp_path, key, results


def score(folder: Path, *arguments: object):
    return call("dd-study score", *sorted(folder.glob("results/*")), "--key", "study.key.json", *arguments)


def test_the_table_is_laid_out_as_the_papers_and_has_its_numbers_beside(study):
    folder, key, results = study
    outcome = score(folder)
    assert (outcome.status, outcome.errors) == (0, "")
    lines = outcome.output.partition("12 raters")[0].splitlines()
    rows = {line.split()[0]: re.split(r"\s{2,}", line.strip()) for line in lines if line.strip()}
    assert rows["system"] == ["system", "MOS-MF ↑", "paper", "MOS-N ↑", "paper"]
    assert [name for name in rows if name in QUALITY] == [
        "ours",
        "iplap",
        "wav2lip",
        "anchor",
    ]  # the best first, the anchor last
    assert (rows["wav2lip"][2], rows["wav2lip"][4]) == ("3.46", "3.26")  # the paper's Table 3
    assert (rows["ours"][2], rows["ours"][4]) == ("–", "–")
    given = [
        one.answer for result in results for one in result.answers
        if (key.items[one.item].role, key.items[one.item].scenario, key.items[one.item].systems)
        == (RATED, "MF", ("ours",))
    ]  # fmt: skip
    assert len(given) == 60 and rows["ours"][1].startswith(f"{np.mean(given):.2f} [")
    assert "12 raters; MF: Mouth Fidelity, N: Naturalness" in outcome.output


def test_files(study):
    folder, _, results = study
    outcome = score(folder, "--json", "scores.json", "--csv", "answers.csv", "--html", "page/scores")
    assert outcome.status == 0
    scores = json.loads(Path("scores.json").read_text())
    assert scores["screened"] == {} and scores["all"] == scores["attentive"]
    assert f"{scores['all']['MF']['opinions']['ours']['mean']:.2f}" in outcome.output
    rows = list(csv.DictReader(Path("answers.csv").read_text().splitlines()))
    assert len(rows) == sum(len(result.answers) for result in results)
    assert [row["answer"] for row in rows[:3]] == [str(one.answer) for one in results[0].answers[:3]]
    assert {row["system"] for row in rows if row["role"] == "rated"} == set(QUALITY)
    page = Path("page/scores/index.html").read_text()
    assert page.count("<svg") == 2 and "http" not in re.sub(r'xmlns="[^"]*"', "", page)


def edited(result: Result, **changes: object) -> dict:
    return document(result) | changes


def another(result: Result) -> Result:
    first, *others = result.answers
    return replace(result, answers=(replace(first, answer=first.answer % 5 + 1), *others))


BAD = {
    "text": (lambda one: "hello", "not the JSON result of a rater"),
    "list": (lambda one: [], "not an object"),
    "other format": (lambda one: edited(one, format="x"), "expected format 'dd-study result'"),
    "no answers": (lambda one: edited(one, answers=None), "not the JSON result of a rater"),
    "other study": (lambda one: document(replace(one, study="z")), "result of another study ('z'"),
    "edited score": (lambda one: edited(one, answers=document(another(one))["answers"]), "its checksum is wrong"),
    "other rater": (lambda one: document(replace(one, rater="2")), "its items are not those of rater 2"),
    "unknown rater": (lambda one: document(replace(one, rater="77")), "the study has no rater '77'"),
    "swapped": (lambda one: document(replace(one, answers=one.answers[::-1])), "its items are not those of rater 1"),
    "cut": (lambda one: edited(one, answers=document(one)["answers"][:-1]), "its checksum is wrong"),
    "out of range": (
        lambda one: document(replace(one, answers=(replace(one.answers[0], answer=6), *one.answers[1:]))),
        "answer 1 is 6 after 1 plays",
    ),
    "not played": (
        lambda one: document(replace(one, answers=(replace(one.answers[0], plays=0), *one.answers[1:]))),
        "after 0 plays",
    ),
    "a fraction": (
        lambda one: document(replace(one, answers=(replace(one.answers[0], answer=2.5), *one.answers[1:]))),
        "answer 1 has values that are not whole numbers",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_result_is_named_and_the_others_are_scored(study, name):
    folder, _, results = study
    content, message = BAD[name]
    changed = content(results[0])
    (folder / "results" / "rater-1.json").write_text(changed if isinstance(changed, str) else json.dumps(changed))
    outcome = score(folder)
    assert outcome.status == 1
    [line] = outcome.errors.splitlines()
    assert line.startswith("dd-study score: cannot ") and "results/rater-1.json'" in line and message in line
    assert "11 raters" in outcome.output


def test_items_whose_videos_did_not_play_are_missing(study):
    folder, _, results = study
    save(folder / "results", [replace(results[0], answers=results[0].answers[:9] + results[0].answers[12:])])
    outcome = score(folder)
    assert (outcome.status, outcome.errors) == (0, "")
    assert "12 raters" in outcome.output


def test_different_results_of_one_rater_are_left_out_and_copies_count_once(study):
    folder, _, results = study
    (folder / "results" / "again.json").write_text(json.dumps(document(another(results[3]))))
    (folder / "results" / "copy.json").write_text((folder / "results" / "rater-5.json").read_text())
    outcome = score(folder)
    assert outcome.status == 1
    different, copy = outcome.errors.splitlines()
    assert "again.json" in different and "rater-4.json" in different and "different results of rater 4" in different
    assert "copy.json" in copy and "of rater 5" in copy
    assert "11 raters" in outcome.output


def test_without_any_usable_result(study):
    folder, *_ = study
    outcome = call("dd-study score", "study.key.json", "--key", "study.key.json", "--json", "s.json")
    assert outcome.status == 1 and outcome.output == ""
    assert outcome.errors.splitlines()[-1] == "dd-study score: no usable results among 1 files"
    assert not (folder / "s.json").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "not the key of a study"),
        ('{"format": "dd-study key", "version": 2}', "version 2"),
        ('{"format": "dd-study key", "version": 1, "study": "s", "mode": "rating", "items": {"a": 1}}', "not the key"),
    ],
)
def test_a_bad_key(study, text, message):
    Path("study.key.json").write_text(text)
    outcome = score(study[0])
    assert outcome.status in (1, 2) and outcome.output == ""
    assert "'study.key.json'" in outcome.errors and message in outcome.errors


def test_a_missing_key(study):
    Path("study.key.json").unlink()
    outcome = score(study[0])
    assert outcome.errors == "dd-study score: cannot read 'study.key.json': no such file or directory\n"


def test_screened_raters_are_named_with_reasons_and_all_scores_are_printed_too(study):
    folder, key, _ = study
    save(folder / "results", [result_of(key, "12", [4] * len(key.sessions["12"]))])
    outcome = score(folder, "--html", "page")
    assert outcome.status == 0
    said = outcome.output.partition("Without the screened raters:\n")[2].splitlines()[0]
    assert re.fullmatch(r"rater 12: failed [34] of 4 attention traps; gave the same answer, 4, to 40 of 40 items", said)
    assert outcome.output.index("11 raters") < outcome.output.index("12 raters")
    assert "rater 12 is screened" in Path("page/index.html").read_text()


def changed(key, result: Result, role: str, values: list[int]) -> Result:
    """The result with other answers to the items of a role, as far as there are values."""
    values = iter(values)
    return replace(result, answers=tuple(
        replace(one, answer=next(values, one.answer)) if key.items[one.item].role == role else one
        for one in result.answers
    ))  # fmt: skip


def test_who_is_screened(study):
    """One slip is forgiven; two failed traps, one answer to everything, and contradictions are not."""
    _, key, results = study
    expected = [key.items[name].answer for name in key.sessions["1"] if key.items[name].role == TRAP]
    good = changed(key, results[0], TRAP, expected)
    wrong = [one % 5 + 1 for one in expected]
    assert reasons_to_screen(good, key) == []
    assert reasons_to_screen(changed(key, good, TRAP, wrong[:1]), key) == []
    assert reasons_to_screen(changed(key, good, TRAP, wrong[:2]), key) == ["failed 2 of 4 attention traps"]
    [reason] = reasons_to_screen(changed(key, good, RATED, [3] * 100), key)
    assert reason == "gave the same answer, 3, to 40 of 40 items"
    count = sum(key.items[name].role == REPEAT for name in key.sessions["1"])
    half = [1, 5] * 20
    opposite = changed(key, good, RATED, half)
    first = {
        (key.items[one.item].scenario, key.items[one.item].clip, key.items[one.item].systems): one.answer
        for one in opposite.answers if key.items[one.item].role == RATED
    }  # fmt: skip
    repeats = [key.items[one.item] for one in opposite.answers if key.items[one.item].role == REPEAT]
    contrary = changed(key, opposite, REPEAT, [6 - first[r.scenario, r.clip, r.systems] for r in repeats])
    assert reasons_to_screen(contrary, key) == [f"rated {count} repeated items 4.0 points apart on average"]


@pytest.mark.parametrize("mode", ["rating", "preference"])
def test_random_clickers_are_caught_and_attentive_raters_are_not(mode):
    """More than 95 of 100 clickers, fewer than 2 of 100 others; by chance a little less."""
    caught, screened = [], []
    for seed in range(20):
        key = made_up_key(mode, raters=12, seed=seed)
        opinions = Opinions(QUALITY, np.random.default_rng(seed))
        for rater in key.sessions:
            screened.append(reasons_to_screen(result_of(key, rater, attentive(key, rater, opinions)), key))
            caught.append(reasons_to_screen(result_of(key, rater, clicker(key, rater, opinions.rng)), key))
    assert np.mean(list(map(bool, caught))) > 0.93
    assert np.mean(list(map(bool, screened))) < 0.03


def test_preferences(study):
    folder, *_ = study
    key = made_up_key(PREFERENCE, systems=["truth", "ours", "wav2lip"], clips=6)
    opinions = Opinions(QUALITY | {"truth": 4.6}, np.random.default_rng(3))
    results = [result_of(key, rater, attentive(key, rater, opinions)) for rater in key.sessions]
    write_key(key, Path("study.key.json"))
    save(folder / "results", results)
    outcome = score(folder)
    assert (outcome.status, outcome.errors) == (0, "")
    rows = [re.split(r"\s{2,}", line.strip()) for line in outcome.output.splitlines()]
    systems = [row[0] for row in rows if row[0] in opinions.quality]
    assert list(dict.fromkeys(systems)) == ["ours", "wav2lip", "truth"]
    assert all("wins" in cell for row in rows if row[0] in opinions.quality for cell in row[1:])


def test_preferences_count_the_chosen_side():
    key = made_up_key(PREFERENCE, systems=["a", "b"], scenarios=["N"], clips=2, raters=1)
    shown = [(name, key.items[name]) for name in key.sessions["1"]]
    answers = tuple(
        Answer(name, 1 + item.systems.index("b") if item.systems else item.answer, 1, 9) for name, item in shown
    )
    wins, systems = preference_counts([Result(key.study, "1", "", "", answers)], key, "N")
    a, b = systems.index("a"), systems.index("b")
    assert wins.shape == (1, 2, 2, 2)
    assert wins[0, :, b, a].tolist() == [1, 1] and wins[0, :, a, b].tolist() == [0, 0]


def test_power_grows_with_raters_clips_and_the_difference():
    small = call("dd-study power", "--difference", 0.3, "--raters", "6,24", "--clips", "4,16", "--studies", 100, "-q")
    large = call("dd-study power", "--difference", 0.8, "--raters", "6,24", "--clips", "4,16", "--studies", 100, "-q")
    grids = [
        np.array(
            [
                [int(cell) for cell in re.findall(r"(\d+) %", line)]
                for line in outcome.output.splitlines()
                if re.match(r"\s*\d+ raters", line)
            ]
        )
        for outcome in (small, large)
    ]
    assert (small.status, large.status) == (0, 0)
    assert grids[0][1, 1] > grids[0].min() and (grids[1] >= grids[0]).all() and grids[1][1, 1] > 95


@pytest.mark.parametrize("text", ["1", "a", "3,,4", "-2", ""])
def test_power_refuses_impossible_numbers(text):
    outcome = call("dd-study power", "--difference", 0.5, "--raters", text)
    assert outcome.status == 2 and "--raters" in outcome.errors


def test_a_study_from_plan_to_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dummy_plan(tmp_path, systems="wav2lip truth", clips="x y", seconds=0.4)
    built = call("dd-study build", "plan.tsv", "-o", "study", "--raters", 2, "-q")
    assert (built.status, built.output, built.errors) == (0, "", "")
    assert Path("study/index.html").is_file()
    for rater in "12":
        save_steady_result(Path("study.key.json"), rater, Path(f"{rater}.json"))
    outcome = call("dd-study score", "1.json", "2.json", "--key", "study.key.json")
    assert outcome.status == 0
    assert re.search(r"wav2lip +1\.00 \[1\.00, 1\.00\] +3\.46", outcome.output)


def test_a_bad_plan_is_refused_line_by_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_plan(tmp_path, [("a", "x", "MF", "a.mp4"), ("a", "x", "XX", "a.mp4")])
    outcome = call("dd-study build", "plan.tsv", "-o", "study")
    assert outcome.status == 1
    first, second = outcome.errors.splitlines()
    assert first.startswith("dd-study build: cannot use 'plan.tsv': line 2: ") and "a.mp4" in first
    assert "line 3: unknown scenario 'XX', expected MF, RI, N, CL" in second
    assert not Path("study").exists() and not Path("study.key.json").exists()
