# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to a Prometheus over its HTTP API. What it does not answer is an error, never an empty answer."""

from __future__ import annotations

import datetime
import http.client
import json
import re
import typing as t
import urllib.parse
import urllib.request

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

SECONDS = 10
_LARGEST = 32 * 1024 * 1024
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)([.]\d+)?(Z|[+-]\d\d:\d\d)")
_REMEDY = "systemctl status prometheus on that host says why."


_Answer = t.TypeVar("_Answer")


class Silent(BoxliftError):
    """Prometheus gave no answer, or one that is none."""


class Value(t.NamedTuple):
    """One answer of an instant query."""

    labels: dict[str, str]
    value: float


class Line(t.NamedTuple):
    """One answer of a range query: moments and values, where there are any."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


class Alert(t.NamedTuple):
    name: str
    state: str
    since: float | None
    labels: dict[str, str]
    annotations: dict[str, str]


class Rules(t.NamedTuple):
    """The alert rules that are loaded."""

    names: list[str]
    #: When the group that waits longest was evaluated; None where there is no group.
    oldest_evaluation: float | None
    #: Names of rules whose last evaluation failed.
    broken: list[str]


class Prometheus:
    """Every question raises Silent, or the OSError of a system without memory or descriptors."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        # Not through a proxy of the environment: it is this host, or one beside it.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def query(self, expression: str, at: float) -> list[Value]:
        def read(data: t.Any) -> list[Value]:
            _of_kind(data, "vector")
            return [Value(_texts(each["metric"]), float(each["value"][1])) for each in data["result"]]

        return self._ask("/api/v1/query", {"query": expression, "time": f"{at:.3f}"}, read)

    def range(self, expression: str, begin: float, end: float, step: float) -> list[Line]:
        def read(data: t.Any) -> list[Line]:
            _of_kind(data, "matrix")
            return [
                Line(_texts(each["metric"]), [(float(at), float(value)) for at, value in each["values"]])
                for each in data["result"]
            ]

        asked = {"query": expression, "start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        return self._ask("/api/v1/query_range", asked, read)

    def alerts(self) -> list[Alert]:
        def read(data: t.Any) -> list[Alert]:
            return [
                Alert(
                    str(each["labels"].get("alertname", "")),
                    str(each["state"]),
                    moment(str(each.get("activeAt") or "")),
                    _texts(each["labels"]),
                    _texts(each.get("annotations") or {}),
                )
                for each in data["alerts"]
            ]

        return self._ask("/api/v1/alerts", {}, read)

    def rules(self) -> Rules:
        def read(data: t.Any) -> Rules:
            groups = [group for group in data["groups"] if group["rules"]]
            times = [moment(str(group.get("lastEvaluation") or "")) for group in groups]
            rules = [rule for group in groups for rule in group["rules"]]
            return Rules(
                [str(rule["name"]) for rule in rules],
                min((at or 0.0 for at in times), default=None),
                [str(rule["name"]) for rule in rules if rule.get("health") != "ok"],
            )

        return self._ask("/api/v1/rules", {"type": "alert"}, read)

    def _ask(self, path: str, asked: dict[str, str], read: t.Callable[[t.Any], _Answer]) -> _Answer:
        url = f"{self._url}{path}" + (f"?{urllib.parse.urlencode(asked)}" if asked else "")
        try:
            with self._opener.open(url, timeout=SECONDS) as answer:
                content = json.loads(answer.read(_LARGEST))
        except (OSError, http.client.HTTPException) as problem:
            raise Silent(f"Prometheus at {self._url} does not answer: {_reason(problem)}.", _REMEDY) from problem
        except ValueError as problem:
            raise Silent(f"What answers at {self._url} is no Prometheus: it sends no JSON.", _REMEDY) from problem
        try:
            if content["status"] != "success":
                raise ValueError(str(content.get("error", "no success")))
            return read(content["data"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
            raise Silent(
                f"Prometheus at {self._url} gives no usable answer to {path}: {str(problem)[:200]}.", _REMEDY
            ) from problem


def moment(text: str) -> float | None:
    """Seconds since 1970 of an RFC 3339 time, as Go writes it: with up to nine decimals. None for what is none."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    whole, fraction, zone = found.groups()
    try:
        at = datetime.datetime.fromisoformat(whole + ("+00:00" if zone == "Z" else zone))
    except ValueError:
        return None
    # Go's zero time stands for never.
    return at.timestamp() + float(fraction or 0) if at.year >= 1970 else None


def _of_kind(data: t.Any, kind: str) -> None:
    if data["resultType"] != kind:
        raise ValueError(f"it is a {data['resultType']}, no {kind}")


def _texts(given: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in given.items()}


def _reason(problem: BaseException) -> str:
    return str(getattr(problem, "reason", None) or problem or type(problem).__name__)
