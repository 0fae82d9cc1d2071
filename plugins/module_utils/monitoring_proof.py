# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that hosts are watched: exporters show what they must know, and Prometheus has its rules and targets."""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

Fetch = t.Callable[[str], str]  # a URL -> the page; raises OSError or BoxliftError

LONGEST_SHOWN = 200


class Page(t.NamedTuple):
    """Figures of one exporter. Patterns are searched for in each line."""

    name: str
    url: str
    present: tuple[str, ...]
    absent: tuple[str, ...]


class Wanted(t.NamedTuple):
    pages: tuple[Page, ...]
    prometheus: str  # its address; empty asks none
    alerts: tuple[str, ...]  # names of rules, one that occurs twice is there twice
    targets: tuple[str, ...]  # job/host


def page_problems(page: Page, text: str) -> list[str]:
    """What the page lacks, or shows and should not."""
    lines = text.splitlines()
    problems = []
    for pattern in page.present:
        if not any(re.search(pattern, line) for line in lines):
            problems.append(f"{page.name} does not show {pattern}{_instead(pattern, lines)}")
    for pattern in page.absent:
        shown = [line for line in lines if re.search(pattern, line)]
        if shown:
            problems.append(f"{page.name} shows {shown[0][:LONGEST_SHOWN]}")
    return problems


def _instead(pattern: str, lines: t.Sequence[str]) -> str:
    """What is said of the same metric."""
    name = re.match(r"\^?([a-zA-Z_:][a-zA-Z0-9_:]*)", pattern)
    seen = [line for line in lines if name and re.match(rf"{name.group(1)}[ {{]", line)]
    return f", but {seen[0][:LONGEST_SHOWN]}" if seen else ""


def prometheus_problems(wanted: Wanted, fetch: Fetch) -> list[str]:
    """What Prometheus lacks: rules, hosts that answer, an Alertmanager. Only what it says counts as there."""

    def ask(what: str) -> t.Any:
        answer = json.loads(fetch(f"{wanted.prometheus}/api/v1/{what}"))
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise ValueError(f"{what}: no success")
        return answer["data"]

    problems = []
    rules = [rule for group in ask("rules?type=alert")["groups"] for rule in group["rules"]]
    loaded = sorted(rule["name"] for rule in rules)
    if lacking := _minus(wanted.alerts, loaded):
        problems.append(f"Prometheus has not loaded {', '.join(lacking)}: {len(loaded)} of {len(wanted.alerts)} rules")
    if surplus := _minus(loaded, wanted.alerts):
        problems.append(f"Prometheus still has {', '.join(surplus)}")
    problems += [f"the rule {rule['name']} fails: {rule.get('lastError')}" for rule in rules if rule["health"] == "err"]
    targets = ask("targets?state=active")["activeTargets"]
    for target in targets:
        if target["health"] != "up":
            reason = str(target.get("lastError") or "not asked yet")[:LONGEST_SHOWN]
            problems.append(f"Prometheus does not reach {_name(target)} at {target['scrapeUrl']}: {reason}")
    if lost := _minus(wanted.targets, [_name(target) for target in targets]):
        problems.append(f"Prometheus does not ask {', '.join(lost)}")
    if not ask("alertmanagers")["activeAlertmanagers"]:
        problems.append("Prometheus knows no Alertmanager")
    return problems


def _name(target: t.Mapping[str, t.Any]) -> str:
    return f"{target['labels']['job']}/{target['labels']['host']}"


def _minus(those: t.Sequence[str], these: t.Sequence[str]) -> list[str]:
    """What occurs more often in the first ones."""
    left = list(these)
    found = []
    for each in sorted(those):
        if each in left:
            left.remove(each)
        else:
            found.append(each)
    return found


def problems_of(wanted: Wanted, fetch: Fetch) -> list[str]:
    """All that is not proven now."""
    found = []
    for page in wanted.pages:
        try:
            found += page_problems(page, fetch(page.url))
        except (OSError, BoxliftError) as error:
            found.append(f"{page.name} does not answer at {page.url}: {error}")
    if wanted.prometheus:
        try:
            found += prometheus_problems(wanted, fetch)
        except (OSError, BoxliftError, ValueError, KeyError, TypeError) as error:
            found.append(f"Prometheus does not answer at {wanted.prometheus}: {error}")
    return found


def prove(
    wanted: Wanted, fetch: Fetch, clock: t.Callable[[], float], sleep: t.Callable[[float], None], patience: float
) -> int:
    """Look until all is proven; how often that was. Raises BoxliftError with what is not, after `patience` seconds."""
    deadline = clock() + patience
    looks = 0
    while True:
        looks += 1
        problems = problems_of(wanted, fetch)
        if not problems:
            return looks
        if clock() >= deadline:
            raise BoxliftError(
                f"After {patience:.0f} s it is not proven that all is watched: {'; '.join(problems)}.",
                "See journalctl --unit='prometheus*' --unit=boxlift-scrape on the host, and docs/alerts.md.",
            )
        sleep(1)
