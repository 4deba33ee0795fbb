"""Side-by-side measurement: every contender of a case in turn, several rounds in one run, medians and their ratio.

A machine's speed changes from minute to minute; the ratio within one run does not.
"""

import json
import os
import platform
import statistics
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Measure = Callable[[], Awaitable[float]]
RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of the table. `ratio` is busline's figure by the peer's, whatever the unit."""

    case: str
    unit: str
    busline: float
    peers: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> dict[str, float]:
        return {name: self.busline / figure for name, figure in self.peers.items() if figure}

    def row(self) -> dict[str, object]:
        return {
            "case": self.case,
            "unit": self.unit,
            "busline": rounded(self.busline),
            "peers": {name: rounded(figure) for name, figure in self.peers.items()},
            "ratio": {name: round(figure, 3) for name, figure in self.ratio.items()},
        }


async def side_by_side(case: str, unit: str, contenders: Mapping[str, Measure], *, rounds: int = 5) -> Case:
    """Measure each contender once a round, one warm-up round first; `busline` must be one of them."""
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, measure in contenders.items():
            figure = await measure()
            if number:
                figures[name].append(figure)
    medians = {name: statistics.median(values) for name, values in figures.items()}
    return Case(case=case, unit=unit, busline=medians.pop("busline"), peers=medians)


def rounded(figure: float) -> float:
    return round(figure, 3) if figure < 100 else round(figure)


def machine() -> dict[str, object]:
    return {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}


def write(cases: list[Case]) -> None:
    """Replace the cases of the same names in results.json, keep the others."""
    known = {row["case"]: row for row in json.loads(RESULTS.read_text())["cases"]} if RESULTS.exists() else {}
    known |= {case.case: case.row() for case in cases}
    text = json.dumps({"machine": machine(), "cases": list(known.values())}, indent=2)
    RESULTS.write_text(text + "\n")


def table(cases: list[Case]) -> str:
    lines = [f"{'case':44} {'unit':12} {'busline':>12}   peers (ratio)"]
    for case in cases:
        peers = "   ".join(f"{name} {rounded(case.peers[name]):,} ({case.ratio[name]:.2f})" for name in case.peers)
        lines.append(f"{case.case:44} {case.unit:12} {rounded(case.busline):>12,}   {peers}")
    return "\n".join(lines)
