# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of boxlift-exporter: their names, and Prometheus' text format. docs/monitoring.md has the same table."""

from __future__ import annotations

import math
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

#: Codes of a check's status. A check that did not apply has nothing to say; one that could not look is never absent.
CODES = {"pass": 0, "warn": 1, "fail": 2, "unknown": 3, "skip": 4}


class Metric(t.NamedTuple):
    """A gauge of ours. All are gauges: a textfile is read long after it was written."""

    labels: tuple[str, ...]
    help: str


METRICS: dict[str, Metric] = {
    "boxlift_check_status": Metric(
        ("area", "check"), "Status of a health check: 0 pass, 1 warn, 2 fail, 3 unknown (could not look), 4 skip"
    ),
    "boxlift_checks_run_timestamp_seconds": Metric(
        ("set",), "When the last run of these checks ended, quick or nightly; 0 before the first one"
    ),
    "boxlift_checks_run_duration_seconds": Metric(("set",), "How long the last run of these checks took"),
    "boxlift_figure_status": Metric(
        ("figure",), "Whether a figure is known: 0 yes, 3 unknown (its metrics are absent), 4 does not apply here"
    ),
    "boxlift_agent_last_exec_timestamp_seconds": Metric((), "When one of the portal's agents ran last"),
    "boxlift_agents_overdue": Metric((), "Active agents that are late by more than 15 minutes"),
    "boxlift_mail_queue_oldest_seconds": Metric((), "Age of the oldest letter that waits to be sent; 0 if none does"),
    "boxlift_mail_queue_waiting": Metric((), "Letters that wait to be sent"),
    "boxlift_push_roundtrip_ok": Metric(
        (), "1 if a message published to the push server came back both ways, by WebSocket and long polling"
    ),
    "boxlift_licence_expiry_timestamp_seconds": Metric((), "When the portal's licence ends"),
    "boxlift_certificate_expiry_timestamp_seconds": Metric(
        ("name",), "When the certificate that the web server shows ends, valid or not"
    ),
    "boxlift_disk_days_to_full": Metric(
        ("path",), "Days until the file system is full by its growth; +Inf if it does not grow"
    ),
    "boxlift_disk_free_bytes": Metric(("path",), "What programs may still write to the file system"),
    "boxlift_disk_size_bytes": Metric(("path",), "Size of the file system"),
    "boxlift_disk_growth_bytes_per_day": Metric(("path",), "Growth of what is used, by a line fitted over the samples"),
    "boxlift_disk_observed_seconds": Metric(("path",), "Time between the first and the last sample of that line"),
    "boxlift_telephony_queue_calls": Metric((), "Calls that the connector has not told the portal of yet"),
    "boxlift_telephony_queue_oldest_seconds": Metric((), "Age of the call that has waited longest"),
    "boxlift_telephony_dead_calls": Metric((), "Calls that the connector has given up: the portal will not know them"),
    "boxlift_telephony_exchange_connected": Metric((), "1 while the connector reads the exchange's events"),
    "boxlift_portal_quota_bytes": Metric((), "Disk space that the portal allows itself (main.disk_space)"),
    "boxlift_portal_quota_used_bytes": Metric((), "What counts towards it: registered files and the database"),
}


class Sample(t.NamedTuple):
    name: str
    labels: t.Mapping[str, str]
    value: float


def sample(metric: str, value: float, **labels: str) -> Sample:
    """A value of one of METRICS. Raises ValueError for another name, and for labels that it does not have."""
    if metric not in METRICS or tuple(sorted(labels)) != METRICS[metric].labels:
        raise ValueError(f"{metric} with the labels {sorted(labels)} is no metric of boxlift-exporter")
    return Sample(metric, labels, float(value))


def exposition(samples: t.Iterable[Sample]) -> str:
    """Prometheus' text format, in the order of METRICS and of the labels: the same samples give the same text."""
    by_name: dict[str, list[Sample]] = {}
    for each in samples:
        by_name.setdefault(each.name, []).append(each)
    lines = []
    for name, metric in METRICS.items():
        if name in by_name:
            lines += [f"# HELP {name} {_escaped(metric.help, quote=False)}", f"# TYPE {name} gauge"]
            lines += sorted(f"{name}{_labels(each.labels)} {number(each.value)}" for each in by_name[name])
    return "".join(f"{line}\n" for line in lines)


def number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)


def _labels(labels: t.Mapping[str, str]) -> str:
    pairs = [f'{name}="{_escaped(labels[name])}"' for name in sorted(labels)]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(text: str, quote: bool = True) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?")
_PAIR = re.compile(r'\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


def parsed(text: str) -> list[Sample]:
    """The samples of a page in that format. Raises BoxliftError for a line that is none."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise _odd(line)
        pairs = _PAIR.findall(match[2] or "")
        if "".join(_PAIR.split(match[2] or "")[::3]).strip():
            raise _odd(line)
        labels = {name: re.sub(r"\\(.)", lambda seen: _ESCAPES.get(seen[1], seen[0]), value) for name, value in pairs}
        try:
            found.append(Sample(match[1], labels, float(match[3])))
        except ValueError as problem:
            raise _odd(line) from problem
    return found


def _odd(line: str) -> BoxliftError:
    return BoxliftError(f"This is no line of metrics: {line[:100]!r}.", "Look at the address: is it a metrics page?")
