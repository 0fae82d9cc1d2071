# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Alertmanager sends to a webhook, as wishes at the desk: one group of alerts is one incident.

A group that is resolved is noted and stays open: whether people can work again is for its owner to see.
"""

from __future__ import annotations

import datetime
import json
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import incidents as inc
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.desk import AUDIENCE, Wish
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.records import Records

#: By the label `severity`. An alert of another one, such as the heartbeat's, opens nothing.
SEVERITIES = {"critical": inc.CRITICAL, "warning": inc.NORMAL}
FIRING, RESOLVED = "firing", "resolved"
_REMEDY = "Give the JSON that Alertmanager posts to a webhook (version 4), as a file or piped in."
#: No such time is before the year 2: Alertmanager's zero value.
_NEVER = "0001-01-01"

Data = dict[str, t.Any]


def payload(text: str) -> Data:
    """Raises BoxliftError for what Alertmanager has not written."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BoxliftError(f"The alerts are no JSON: {error}.", _REMEDY) from error
    alerts = found.get("alerts") if isinstance(found, dict) else None
    if not isinstance(alerts, list) or not isinstance(found.get("groupKey"), str) or not found["groupKey"]:
        raise BoxliftError("The alerts have no groupKey and no list of alerts.", _REMEDY)
    if not all(isinstance(each, dict) and isinstance(each.get("labels"), dict) for each in alerts):
        raise BoxliftError("One of the alerts has no labels.", _REMEDY)
    return found


def wish_of(
    found: Data,
    records: Records,
    owner: str = "",
    audience: tuple[str, ...] = AUDIENCE,
    severities: t.Collection[str] = tuple(SEVERITIES),
) -> Wish | None:
    """What a message of Alertmanager is to the records; None where it says nothing that concerns them."""
    group = found["groupKey"]
    alerts = [each for each in found["alerts"] if each["labels"].get("severity") in severities]
    same = [each for each in records.incidents if each.group == group and each.is_open]
    firing = [each for each in alerts if each.get("status") == FIRING]
    states = {_name(each): _state(each) for each in alerts}
    if same:
        incident = same[-1]
        news = [each for each in alerts if incident.alerts.get(_name(each)) != _state(each)]
        raises = incident.kind == inc.NORMAL and _worst(firing) == inc.CRITICAL
        if not news and not raises:
            return None
        text = _text(news)
        if raises:
            text += " The incident is critical from now on."
        if not firing:
            text += " No alert of the group fires any more. See whether people can work, then close the incident."
        return Wish(inc.NOTE, number=incident.number, text=text.strip(), alerts=states, raises=raises)
    if not firing:
        return None
    begins = [begin for begin in map(_began, firing) if begin is not None]
    return Wish(
        inc.OPEN,
        title=_title(firing),
        kind=_worst(firing),
        owner=owner,
        text=_text(firing),
        audience=audience,
        group=group,
        alerts=states,
        began=min(begins, default=None),
    )


def _worst(firing: t.Sequence[Data]) -> str:
    """The class of the worst one; normal where none fires."""
    return min((SEVERITIES[each["labels"]["severity"]] for each in firing), key=inc.CLASSES.index, default=inc.NORMAL)


def _name(alert: Data) -> str:
    return str(alert.get("fingerprint") or json.dumps(alert["labels"], sort_keys=True))


def _state(alert: Data) -> str:
    """Another beginning is another time that it fires."""
    return f"{alert.get('status')} {alert.get('startsAt')}"


def _title(firing: t.Sequence[Data]) -> str:
    """What the first alert says in its summary, and how many others there are."""
    first = min(firing, key=lambda each: inc.CLASSES.index(SEVERITIES[each["labels"]["severity"]]))
    rest = len({_name(each) for each in firing}) - 1
    return _said(first) + (f" (and {rest} more alert{'' if rest == 1 else 's'})" if rest else "")


def _said(alert: Data) -> str:
    annotations = alert.get("annotations") or {}
    name = str(alert["labels"].get("alertname") or "An alert without a name")
    return " ".join(str(annotations.get("summary") or name).split())


def _text(alerts: t.Sequence[Data]) -> str:
    """Each alert with what it says of itself, and where its remedy stands."""
    out = []
    for each in alerts:
        annotations = each.get("annotations") or {}
        book = f" ({annotations['runbook_url']})" if annotations.get("runbook_url") else ""
        where = each["labels"].get("instance") or ""
        state = "is over" if each.get("status") == RESOLVED else "fires"
        name = str(each["labels"].get("alertname") or "alert")
        out.append(f"{name}{f' on {where}' if where else ''} {state}: {_said(each)}{book}.".replace("..", "."))
    return " ".join(dict.fromkeys(out))


def _began(alert: Data) -> float | None:
    text = str(alert.get("startsAt") or "")
    if not text or text.startswith(_NEVER):
        return None
    try:  # of nanoseconds, fromisoformat takes six digits alone
        shorter = re.sub(r"(\.\d{6})\d+", r"\1", text)
        return datetime.datetime.fromisoformat(shorter.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
