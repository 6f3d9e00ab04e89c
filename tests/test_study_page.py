"""The page of a study in a browser, opened from disk: rated with the keyboard, interrupted, resumed, and saved."""

import csv
import json
import os
import shutil
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from study_plans import dummy_plan

from dd_tools.evaluation.study.build import build_study
from dd_tools.evaluation.study.key import PREFERENCE, REPEAT, TRAINING, TRAP, Key

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs Chromium or Chrome, and chromedriver")

PATIENCE = 20  # seconds


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900",
        "--mute-audio", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder / "saved")})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.saved = folder / "saved"
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[Path, Key]:
    """A study with nine videos of a second and a trap for each of two raters."""
    folder = tmp_path_factory.mktemp("study")
    return folder / "study", build_study(dummy_plan(folder, seconds=0.8), folder / "study", raters=3)


def press(browser, *keys: str) -> None:
    webdriver.ActionChains(browser, duration=0).send_keys(*keys).perform()


def wait(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def text(browser, name: str) -> str:
    return browser.find_element(By.ID, name).text


def is_shown(browser, name: str) -> bool:
    return browser.find_element(By.ID, name).is_displayed()


def start(browser, folder: Path, rater: int) -> None:
    """Open the page and go to the first video."""
    browser.get((folder / "index.html").as_uri())
    press(browser, str(rater), Keys.ENTER)
    assert is_shown(browser, "guide")
    press(browser, Keys.ENTER)
    assert is_shown(browser, "part")
    press(browser, Keys.ENTER)
    assert is_shown(browser, "item")


def wait_for_the_end(browser) -> None:
    wait(lambda: "then confirm" in text(browser, "hint"))


def answers_of(key: Key, rater: str) -> list[int]:
    """What the test answers: what a trap asks for, otherwise 1 to 5 in turn."""
    items = [key.items[name] for name in key.sessions[rater]]
    return [item.answer if item.role == TRAP else 1 + place % 5 for place, item in enumerate(items)]


@pytest.mark.slow
def test_a_session_by_keyboard_through_a_closed_tab_to_the_files(browser, study):
    folder, key = study
    names, answers = key.sessions["2"], answers_of(key, "2")
    roles = [key.items[name].role for name in names]
    assert {TRAINING, REPEAT, TRAP} < set(roles)
    start(browser, folder, 2)
    for place, answer in enumerate(answers):
        assert text(browser, "count") == f"{place + 1} of {len(names)}"
        assert is_shown(browser, "practice") == (roles[place] == TRAINING)
        if place == 3:  # a closed tab, and another one
            first = browser.current_window_handle
            browser.switch_to.new_window("tab")
            second = browser.current_window_handle
            browser.switch_to.window(first)
            browser.close()
            browser.switch_to.window(second)
            start(browser, folder, 2)
            assert text(browser, "count") == f"4 of {len(names)}"
        if place in (0, 4):
            assert_nothing_can_be_rated_yet(browser)
        wait_for_the_end(browser)
        if place == 1:  # once more
            press(browser, " ")
            wait(lambda: not browser.execute_script("return player.isPlaying"))
        if place == 2:  # the middle, then one to the side
            press(browser, Keys.ARROW_LEFT)
            press(browser, *[Keys.ARROW_RIGHT if answer > 3 else Keys.ARROW_LEFT] * abs(answer - 3))
        press(browser, str(answer), Keys.ENTER)
    assert is_shown(browser, "end")
    press(browser, Keys.ENTER)
    press(browser, Keys.TAB, Keys.ENTER)
    check_files(browser.saved, key, "2", answers)
    assert browser.get_log("browser") == []


def assert_nothing_can_be_rated_yet(browser) -> None:
    count = text(browser, "count")
    press(browser, "3", Keys.ENTER)
    ended, chosen, enabled = browser.execute_script(
        "const enabled = document.querySelectorAll('#answers button:enabled, #confirm:enabled');"
        "return [firstEnd !== null, chosen, enabled.length];"
    )
    assert not ended, "the computer is too slow for this test"
    assert (chosen, enabled) == (None, 0)
    assert text(browser, "count") == count


def check_files(folder: Path, key: Key, rater: str, answers: list[int]) -> None:
    paths = [folder / f"{key.study}-rater-{rater}.{suffix}" for suffix in ("json", "csv")]
    wait(lambda: all(path.exists() for path in paths))
    result = json.loads(paths[0].read_text(encoding="utf-8"))
    assert (result["format"], result["version"]) == ("dd-study result", 1)
    assert (result["study"], result["rater"]) == (key.study, rater)
    assert result["started"] < result["finished"]
    assert [one["item"] for one in result["answers"]] == list(key.sessions[rater])
    assert [one["answer"] for one in result["answers"]] == answers
    assert [one["plays"] for one in result["answers"]] == [2 if place == 1 else 1 for place in range(len(answers))]
    assert all(0 <= one["milliseconds"] < 60_000 for one in result["answers"])
    lines = [f"{one['item']} {one['answer']} {one['plays']} {one['milliseconds']}" for one in result["answers"]]
    lines = [key.study, rater, result["started"], result["finished"], *lines]
    assert result["checksum"] == f"{zlib.crc32(chr(10).join(lines).encode()):08x}"
    rows = list(csv.DictReader(paths[1].open(encoding="utf-8")))
    for place, (row, one) in enumerate(zip(rows, result["answers"], strict=True), start=1):
        assert row == {name: str(value) for name, value in {
            "study": key.study, "rater": rater, "position": place, **one}.items()}  # fmt: skip


def test_after_the_end_the_files_are_there_again(browser, study):
    folder, key = study
    browser.get((folder / "index.html").as_uri() + "#rater=2")
    assert "has finished" in text(browser, "known")
    saved = (browser.saved / f"{key.study}-rater-2.json").read_text()
    press(browser, Keys.ENTER)
    assert is_shown(browser, "end")
    assert browser.execute_script("return session.json") == saved


def test_two_tabs_of_one_rater_do_not_spoil_each_other(browser, study):
    folder, key = study
    start(browser, folder, 1)
    wait_for_the_end(browser)
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    start(browser, folder, 1)
    wait_for_the_end(browser)
    press(browser, "5", Keys.ENTER)
    assert text(browser, "count").startswith("2 of")
    browser.close()
    browser.switch_to.window(first)
    wait(lambda: text(browser, "count").startswith("2 of"))  # it follows the other tab
    answers = browser.execute_script("return session.answers")
    assert [(one["item"], one["answer"]) for one in answers] == [(key.sessions["1"][0], 5)]


def test_numbers_that_no_rater_has_are_refused(browser, study):
    browser.get((study[0] / "index.html").as_uri())
    press(browser, "7", Keys.ENTER)
    assert is_shown(browser, "start")
    assert text(browser, "known") == "There is no rater of this number; it is 1 to 3."


def test_the_page_may_not_connect(browser, study):
    browser.get((study[0] / "index.html").as_uri())
    blocked = browser.execute_async_script(
        "const done = arguments[0];"
        "document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective));"
        "fetch('http://127.0.0.1:9/').catch(() => setTimeout(() => done('none'), 2000));"
    )
    assert blocked == "connect-src"
    browser.get_log("browser")


def test_a_video_that_does_not_play_is_named_and_can_be_left_out(browser, study, tmp_path):
    folder, key = study
    copy = tmp_path / os.fsdecode(b"caf\xe9")  # not UTF-8, as an old ZIP program may leave it
    shutil.copytree(folder, copy)
    page = json.loads((folder / "data.js").read_text().removeprefix("const STUDY = ").rstrip(";\n"))
    file = page["items"][key.sessions["3"][0]]["videos"][0]
    (copy / file).write_bytes(b"no video")
    start(browser, copy, 3)
    wait(lambda: is_shown(browser, "trouble"))
    assert file in text(browser, "trouble-text")
    press(browser, "r")
    wait(lambda: is_shown(browser, "trouble"))
    press(browser, "s")
    wait(lambda: text(browser, "count").startswith("2 of"))
    browser.get_log("browser")


def test_a_window_that_is_too_small_is_mentioned(browser, study):
    browser.set_window_size(1280, 900)
    start(browser, study[0], 3)
    wait_for_the_end(browser)
    assert not is_shown(browser, "small")
    browser.set_window_size(600, 400)
    wait(lambda: is_shown(browser, "small"))
    assert "too small" in text(browser, "small")
    browser.set_window_size(1280, 900)
    wait(lambda: not is_shown(browser, "small"))


def test_a_pair_is_shown_in_step_with_one_sound(browser, tmp_path):
    key = build_study(dummy_plan(tmp_path, "a b", seconds=2.0), tmp_path / "study", mode=PREFERENCE, raters=2)
    start(browser, tmp_path / "study", 1)
    wait(lambda: browser.execute_script("return player.videos[0].currentTime > 0.5"))
    ahead = browser.execute_async_script(
        "const done = arguments[0], ahead = [];"
        "const measure = () => {"
        "  const [left, right] = player.videos;"
        "  ahead.push(right.currentTime - left.currentTime);"
        "  if (left.currentTime < 1.6) requestAnimationFrame(measure); else done(ahead); };"
        "measure();"
    )
    assert sorted(map(abs, ahead))[len(ahead) // 2] < 1 / 25
    assert browser.execute_script("return player.videos.map(video => video.muted)") == [False, True]
    wait_for_the_end(browser)
    press(browser, Keys.ARROW_RIGHT, Keys.ENTER)
    wait(lambda: text(browser, "count").startswith("2 of"))
    assert browser.execute_script("return session.answers[0].answer") == 2
    assert browser.execute_script("return session.answers[0].item") == key.sessions["1"][0]
