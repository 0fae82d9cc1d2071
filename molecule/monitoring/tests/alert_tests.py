# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""alert_cases.yml → what promtool tests: each alert is quiet, fires within two evaluations of its time, and clears."""

from __future__ import annotations

import io
import re
import sys
import tarfile
import typing as t
from pathlib import Path

import yaml

CASES = Path(__file__).with_name("alert_cases.yml")
RULES = Path(__file__).resolve().parents[3] / "roles/monitoring/files/rules"
HOST = "db"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> int:
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(-?\d+)([smhd])", text))


def rules() -> dict[str, dict[str, t.Any]]:
    """Every rule by its alert's name."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yml"))]
    return {rule["alert"]: rule for file in files for group in file["groups"] for rule in group["rules"]}


def cases() -> dict[str, dict[str, t.Any]]:
    return t.cast("dict[str, dict[str, t.Any]]", yaml.safe_load(CASES.read_text()))


def series(name: str) -> str:
    labels = f'host="{HOST}",site="production",instance="{HOST}"'
    return f"{name[:-1]},{labels}}}" if name.endswith("}") else f"{name}{{{labels}}}"


def phase(value: t.Any, began: int, steps: int, was: t.Any = 0) -> str:
    """Samples of one value, in promtool's notation."""
    if value is None:
        return f"stale _x{steps - 1}"
    text = str(value)
    if text.endswith("ago"):
        value = began - seconds(text)
    elif text.startswith("+") or isinstance(was, str):
        raise AssertionError(text)
    return f"{value}+0x{steps - 1}"


def growing(value: t.Any) -> int | None:
    return int(str(value)[1:]) if isinstance(value, str) and value.startswith("+") else None


def values(pair: t.Sequence[t.Any], start: int, bad: int, after: int, step: int) -> str:
    """The whole series: well, not well, well again."""
    well, ill = pair
    if (growth := growing(ill)) is not None:
        top = well + growth * bad
        return f"{well}+0x{start - 1} {well + growth}{growth:+d}x{bad - 1} {top}+0x{after - 1}"
    if isinstance(well, int) and isinstance(ill, int) and well < ill and pair[0] == 7:
        # A counter that once went up does not come down.
        return f"{well}+0x{start - 1} {ill}+0x{bad + after - 1}"
    return " ".join(
        phase(value, at * step, steps)
        for value, at, steps in ((well, 0, start), (ill, start, bad), (well, start + bad, after))
    )


def test_of(name: str, rule: dict[str, t.Any], case: dict[str, t.Any]) -> dict[str, t.Any]:
    step = seconds(case.get("step", "1m"))
    lasts = seconds(rule.get("for", "0s"))
    start = seconds(case["start"]) // step if "start" in case else 10
    waits = seconds(case.get("waits", "0s"))
    bad = (waits + lasts) // step + 5
    clears = seconds(case["clears"]) // step if "clears" in case else 2
    after = clears + 5
    host = case.get("host", HOST)
    sample = {"labels": f'{{host="{host}"}}' if host else "{}", "value": 1}

    def look(at: int, firing: bool) -> dict[str, t.Any]:
        query = f'count by (host) (ALERTS{{alertname="{name}",alertstate="firing"}})'
        return {"expr": query, "eval_time": f"{at * step}s", "exp_samples": [sample] if firing else []}

    looks = [look(start - 1, False)]
    if lasts + waits > step:
        looks.append(look(start + (lasts + waits) // step - 1, False))
    looks += [look(start + (lasts + waits) // step + 2, True), look(start + bad + clears, False)]
    if case.get("always"):
        looks = [look(1, True), look(start + bad, True)]
    return {
        "name": name,
        "interval": f"{step}s",
        "input_series": [
            {"series": series(each), "values": values(pair, start, bad, after, step)}
            for each, pair in case["series"].items()
        ],
        "promql_expr_test": looks,
    }


def files(folder: str) -> dict[str, str]:
    """For promtool, in `folder`: a file with the one rule, and a file that tests it, for each alert.

    All rules in each test would make a minute of it.
    """
    found = {}
    for name, rule in rules().items():
        test = test_of(name, rule, cases()[name])
        content = {
            "rule_files": [f"{folder}/{name}.rule.yml"],
            "evaluation_interval": test["interval"],
            "tests": [test],
        }
        found[f"{name}.test.yml"] = yaml.safe_dump(content, sort_keys=False)
        found[f"{name}.rule.yml"] = yaml.safe_dump({"groups": [{"name": name, "rules": [rule]}]}, sort_keys=False)
    return found


def main(path: str) -> None:
    """All files in one archive: each file that Ansible copies takes a second."""
    with tarfile.open(path, "w") as archive:
        for name, text in files(".").items():
            content = text.encode()
            entry = tarfile.TarInfo(f"alerts/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


if __name__ == "__main__":
    main(sys.argv[1])
