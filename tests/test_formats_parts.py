"""The folder for the parts of a job: its content after success, failure and interrupt, and its lock."""

import errno
import os
import subprocess
import sys
import threading
import time

import pytest

from dd_tools.errors import DataError
from dd_tools.formats import locking
from dd_tools.formats.parts import is_finished, mark_finished, parts_folder
from dd_tools.reporting import Silent

KEY = {"seed": 1}


class Messages(Silent):
    """A reporter that keeps the messages."""

    def __init__(self):
        self.messages = []

    def say(self, message):
        self.messages.append(message)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupted_job(target, error: type[BaseException], *, part: str | None = "0001") -> None:
    with pytest.raises(error), parts_folder(target, KEY) as folder:
        if part:
            (folder / part).write_text("done")
        raise error("stopped")


def test_the_folder_starts_empty_and_is_removed_after_success(tmp_path):
    with parts_folder(tmp_path / "out.mp4", KEY) as folder:
        assert folder == tmp_path / "out.mp4.parts"
        assert names(folder) == ["key.json"]
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "part", "kept"),
    [
        (ValueError, "0001", True),
        (ValueError, "detections", False),
        (ValueError, None, False),
        (KeyboardInterrupt, "0001", True),
        (KeyboardInterrupt, "detections", True),
        (KeyboardInterrupt, ".hidden", False),
        (KeyboardInterrupt, None, False),
    ],
)
def test_what_is_kept_after_a_failure_or_an_interrupt(tmp_path, error, part, kept):
    interrupted_job(tmp_path / "out.mp4", error, part=part)
    assert names(tmp_path) == (["out.mp4.parts"] if kept else [])


def test_a_failure_with_finished_parts_tells_how_to_continue(tmp_path):
    message = r"^disk full; finished parts are kept, continue with --resume$"
    with pytest.raises(DataError, match=message), parts_folder(tmp_path / "out.mp4", KEY) as folder:
        (folder / "0001").write_text("done")
        raise DataError("disk full")


@pytest.mark.parametrize(
    ("key", "resume", "kept"), [(KEY, True, True), (KEY, False, False), ({"seed": 2}, True, False)]
)
def test_only_parts_of_the_same_job_are_resumed(tmp_path, key, resume, kept):
    target = tmp_path / "out.mp4"
    interrupted_job(target, KeyboardInterrupt)
    with parts_folder(target, key, resume=resume) as folder:
        assert (folder / "0001").exists() == kept


def test_a_second_process_is_refused(tmp_path):
    program = (
        "import sys; from pathlib import Path; from dd_tools.formats.parts import parts_folder\n"
        "with parts_folder(Path(sys.argv[1]), {}) as folder: print('locked', flush=True); sys.stdin.read()"
    )
    target = tmp_path / "out.mp4"
    owner = subprocess.Popen([sys.executable, "-c", program, target], stdin=-1, stdout=-1)
    assert owner.stdout.readline().strip() == b"locked"
    message = rf"^cannot write '{target}': another process is writing it$"
    for _ in range(2):  # the first refusal must not remove the owner's lock
        with pytest.raises(DataError, match=message), parts_folder(target, {}):
            pytest.fail("two processes in one folder")
    owner.communicate()
    assert owner.returncode == 0
    with parts_folder(target, {}):
        pass
    assert names(tmp_path) == []


def test_a_killed_process_leaves_no_lock(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from dd_tools.formats.parts import parts_folder\n"
        "with parts_folder(Path(sys.argv[1]), {}): os.kill(os.getpid(), 9)"
    )
    target = tmp_path / "out.mp4"
    subprocess.run([sys.executable, "-c", program, target])
    assert names(tmp_path) == [".out.mp4.lock", "out.mp4.parts"]
    with parts_folder(target, {}):
        pass
    assert names(tmp_path) == []


def test_a_lock_file_removed_before_it_is_locked_is_opened_again(tmp_path, monkeypatch):
    """The previous owner finishes between the opening of its lock file and the lock on it."""
    target, lock = tmp_path / "out.mp4", tmp_path / ".out.mp4.lock"
    real, attempts = locking.lock_descriptor, []

    def lock_after_the_owner_is_done(descriptor, *, blocking):
        if not attempts:
            lock.unlink()
        attempts.append(os.fstat(descriptor).st_ino)
        return real(descriptor, blocking=blocking)

    with monkeypatch.context() as patch:
        patch.setattr(locking, "lock_descriptor", lock_after_the_owner_is_done)
        first = parts_folder(target, KEY)
        first.__enter__()
    assert len(attempts) == 2 and lock.stat().st_ino == attempts[1]
    with pytest.raises(DataError, match="another process is writing it"), parts_folder(target, KEY):
        pytest.fail("two owners")
    first.__exit__(None, None, None)
    assert names(tmp_path) == []


def test_a_lock_file_that_is_always_removed_ends_in_an_error(tmp_path, monkeypatch):
    def remove(descriptor, *, blocking):
        (tmp_path / ".out.mp4.lock").unlink()
        return True

    monkeypatch.setattr(locking, "lock_descriptor", remove)
    with pytest.raises(DataError, match="another process is writing it"), parts_folder(tmp_path / "out.mp4", KEY):
        pytest.fail("not locked")


def test_owners_that_come_and_go_never_overlap(tmp_path):
    """Locks belong to open files, so threads exclude each other as processes do."""
    target, inside, overlaps = tmp_path / "out.mp4", [], []

    def enter_often():
        entered = 0
        while entered < 25:
            try:
                with parts_folder(target, KEY):
                    inside.append(1)
                    overlaps.append(len(inside) > 1)
                    inside.pop()
                entered += 1
            except DataError as error:
                assert "another process is writing it" in str(error)

    threads = [threading.Thread(target=enter_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == [False] * 100
    assert names(tmp_path) == []


STRESS = """
import os, random, sys, time
from pathlib import Path
from dd_tools.errors import DataError
from dd_tools.formats.parts import parts_folder

target, end, entered = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
inside = target.with_name("inside")
while time.time() < end:
    try:
        with parts_folder(target, {}, resume=True) as folder:
            os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # fails if another process is inside
            (folder / "0001").write_text("part")
            fate = random.choice(["finish", "finish", "fail", "interrupt", "die"])
            if fate == "fail":
                (folder / "0001").unlink()  # nothing is worth keeping: the folder is removed
            assert folder.is_dir()
            inside.unlink()
            entered += 1
            if fate == "die":  # the lock is released by the system, its file and the folder stay
                os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:3], *sys.argv[1:3], str(entered)])
            if fate != "finish":
                raise ValueError if fate == "fail" else KeyboardInterrupt
    except DataError as error:
        assert "another process is writing it" in str(error), error
    except (ValueError, KeyboardInterrupt):
        pass
print(entered)
"""


@pytest.mark.slow
def test_processes_that_come_go_fail_and_die_never_overlap(tmp_path):
    """They remove the folder and the lock file while the others want them."""
    arguments = [tmp_path / "out.mp4", str(time.time() + 6), "0"]
    running = [subprocess.Popen([sys.executable, "-c", STRESS, *arguments], stdout=-1, stderr=-1) for _ in range(4)]
    ended = [(process.communicate(), process.returncode) for process in running]
    assert [(errors, status) for (_, errors), status in ended] == [(b"", 0)] * 4
    assert min(int(output) for (output, _), _ in ended) > 4
    with parts_folder(tmp_path / "out.mp4", {}):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_the_job_runs_and_says_so(tmp_path, monkeypatch, number):
    def no_locks(descriptor, *, blocking):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locking, "lock_descriptor", no_locks)
    report = Messages()
    with parts_folder(tmp_path / "out.mp4", KEY, report=report) as folder:
        assert names(folder) == ["key.json"]
    (message,) = report.messages
    assert message == (
        f"cannot lock '{tmp_path / 'out.mp4'}' ({os.strerror(number).lower()}): "
        "make sure that no other process writes it"
    )
    assert names(tmp_path) == []


@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_that_is_not_of_this_job_is_left_alone(tmp_path, is_link):
    folder, name = tmp_path / "mine", tmp_path / "out.mp4.parts"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    if is_link:
        (folder / "key.json").write_text("{}")
        name.symlink_to(folder)
    else:
        folder.rename(name)
    with (
        pytest.raises(DataError, match=r"'.*out\.mp4\.parts' is not a folder of its parts; move it away"),
        parts_folder(tmp_path / "out.mp4", {"a": 1}),
    ):
        pass
    assert (name / "thesis.txt").read_text() == "years of work"


def test_a_part_is_finished_until_it_is_damaged(tmp_path):
    part = tmp_path / "00000000.mp4"
    part.write_bytes(b"frames")
    assert not is_finished(part), "the run was killed before it could say so"
    mark_finished(part)
    assert is_finished(part) and names(tmp_path) == ["00000000.mp4", "00000000.mp4.sha256"]
    part.write_bytes(b"frumes")
    assert not is_finished(part)
    part.unlink()
    assert not is_finished(part)
