"""A reporter that tests can look into."""

from dd_tools.reporting import Silent


class RecordingReporter(Silent):
    """A `dd_tools.reporting.Reporter` that keeps what it is told.

    messages: the lines of `say`. loops: the (total, label) of every `progress`.
    """

    def __init__(self):
        self.messages: list[str] = []
        self.loops: list[tuple[int | None, str]] = []

    def say(self, message):
        self.messages.append(message)

    def progress(self, steps, total, label):
        self.loops.append((total, label))
        return steps
