"""The table at the end: kind, command, inputs tried and faults; then every cause with the way to repeat it."""

from collections import Counter, defaultdict

from torture.bench import Result


class Report:
    """Collects the results of cases. seed: of this run."""

    def __init__(self, seed: int):
        self.seed = seed
        self._tried: Counter[tuple[str, str]] = Counter()
        self._causes: dict[tuple[str, str, str], list[int]] = defaultdict(list)

    def add(self, kind: str, case: int, result: Result) -> None:
        self._tried[kind, result.command] += 1
        for fault in dict.fromkeys(result.faults):
            self._causes[kind, result.command, fault].append(case)

    @property
    def is_clean(self) -> bool:
        return not self._causes

    def lines(self) -> list[str]:
        faulty = Counter()
        for (kind, command, _), cases in self._causes.items():
            faulty[kind, command] += len(cases)
        rows = [("kind", "command", "inputs tried", "faults")]
        rows += [(*key, str(self._tried[key]), str(faulty[key])) for key in sorted(self._tried)]
        rows += [("all", "", str(self._tried.total()), str(faulty.total()))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return [f"seed {self.seed}", "", *table, *self._repetitions()]

    def _repetitions(self) -> list[str]:
        lines = []
        for (kind, command, fault), cases in sorted(self._causes.items(), key=lambda item: item[0]):
            lines += ["", f"{kind} {command}: {fault}"]
            lines += [f"    sh tests/torture.sh --seed {self.seed} --only {kind} --case {case}" for case in cases]
        return lines
