# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of sites, and their manuals."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.manual import content, page
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.content import Manual
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.words import Words
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from unit.plugins.plugin_utils.by_hand import BY_HAND

Data = dict[str, t.Any]
SITE: Data = {
    "site": "portal.example.com",
    "timezone": "Europe/Moscow",
    "cutover": {"window_start": "2026-11-28 22:00", "window_end": "2026-11-29 08:00"},
    "supervision": {"mode": "dictated", "operator": "executor", "watchers": ["coordinator"]},
    "steps": BY_HAND,
}
#: Long words, wide letters, no spaces: what takes the most room in each language.
LONG = {
    "ar": "صياغات إدارية عريضة تحتاج مكانًا كثيرًا ",
    "de": "Verwaltungsvorschriftenänderungsverfahren ",
    "en": "WIDE administrative words mean much work ",
    "hi": "विस्तृत प्रशासनिक शब्दावली बहुत जगह लेती है ",
    "ru": "Широкие административные формулировки ",
    "zh": "很宽的行政用语需要很多地方而且没有空格",
}
INPUTS = ["acceptance", "difference", "entitlement", "forecast", "health", "lead_items", "name_ttl", "preflight"]


def plan(language: str = "en", **other: t.Any) -> Plan:
    return load({**SITE, "language": language, **other})


def wordy(language: str, signers: int = 6) -> Plan:
    """A plan that says far more everywhere than anybody would."""

    def text(length: int) -> str:
        return (LONG[language] * 30)[:length].strip()

    step = {
        "title": text(300),
        "purpose": text(300),
        "not_yet": text(400),
        "evidence": [f"{number} {text(200)}" for number in range(5)],
        "undo": {"reason": text(300)},
    }
    orgs = ("customer", "contractor", "sales")
    people = {
        f"person{number}": {
            "name": f"{number} {text(90)}",
            "org": orgs[number % 3],
            "roles": ["approver", "coordinator"] if number < signers else ["executor"],
        }
        for number in range(24)
    }
    needs = [{"role": role, "org": org} for role in ("approver", "coordinator") for org in orgs]
    return plan(
        language,
        title=text(300),
        people=people,
        organisations={"customer": text(100), "contractor": text(100)},
        stages={"final": {"title": text(100)}},
        steps={**BY_HAND, "move.delta": {**step, "manual": True}, "move.fetch": step},
        gates={"go": {"title": text(300), "needs": needs, "inputs": INPUTS}},
    )


def made(of: Plan) -> tuple[Manual, str, str]:
    """What a manual says, its page and its id."""
    words = Words(of.language)
    found = content.content(of, words, {})
    return (found, *page.manual(found, words))
