# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.metrics import (
    METRICS,
    Sample,
    exposition,
    parsed,
    sample,
)

HOSTILE = 'a"b\\c\nd} 1\n# {x="y"}'


def test_the_text_is_stable_and_says_what_each_metric_is() -> None:
    given = [
        sample("boxlift_check_status", 2, check="web.answers", area="web"),
        sample("boxlift_check_status", 0, check="mail.queue", area="mail"),
        sample("boxlift_mail_queue_waiting", 3),
    ]
    lines = exposition(given).splitlines()
    assert lines == exposition(reversed(given)).splitlines()
    assert lines[1:4] == [
        "# TYPE boxlift_check_status gauge",
        'boxlift_check_status{area="mail",check="mail.queue"} 0',
        'boxlift_check_status{area="web",check="web.answers"} 2',
    ]
    assert lines[-1] == "boxlift_mail_queue_waiting 3"


@pytest.mark.parametrize("value", [0, -1.5, 1796019550.083, 1e300, 123456789012345678.0, math.inf, -math.inf])
def test_values_and_hostile_labels_come_back(value: float) -> None:
    text = exposition([sample("boxlift_disk_days_to_full", value, path=HOSTILE)])
    assert len(text.splitlines()) == 3
    assert parsed(text) == [Sample("boxlift_disk_days_to_full", {"path": HOSTILE}, value)]


def test_a_value_that_is_no_number() -> None:
    (found,) = parsed(exposition([sample("boxlift_disk_days_to_full", math.nan, path="/")]))
    assert math.isnan(found.value)


def test_a_metric_that_the_table_does_not_have_is_refused() -> None:
    for name, labels in (
        ("boxlift_other", {}),
        ("boxlift_agents_overdue", {"host": "a"}),
        ("boxlift_check_status", {}),
    ):
        with pytest.raises(ValueError, match="no metric of boxlift-exporter"):
            sample(name, 1, **labels)


def test_what_others_write_is_read() -> None:
    page = 'up 1\nhttp_total{code="200",method="a,b"} 1.5e3 1796019550000\n\n# EOF\nlast{} NaN\n'
    assert [each[:2] for each in parsed(page)] == [
        ("up", {}),
        ("http_total", {"code": "200", "method": "a,b"}),
        ("last", {}),
    ]


@pytest.mark.parametrize("line", ["<html>", "up", "up one", 'up{a="b} 1', "up{a=b} 1", 'up{a="b" c="d"} 1'])
def test_what_is_no_metric_is_refused(line: str) -> None:
    with pytest.raises(BoxliftError, match="no line of metrics"):
        parsed(line)


def test_the_table_in_the_docs_is_that_of_the_code() -> None:
    page = (Path(__file__).resolve().parents[5] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(boxlift_\w+)` \| ([^|]+) \| ([^|]+) \|$", page.partition("\n## The metrics\n")[2], re.MULTILINE
    )
    written = {name: (tuple(re.findall(r"`(\w+)`", labels)), text) for name, labels, text in rows}
    assert written == {name: (metric.labels, metric.help) for name, metric in METRICS.items()}
    assert [name for name, _labels, _text in rows] == list(METRICS)


def test_other_names_in_the_docs_are_metrics_of_ours() -> None:
    page = (Path(__file__).resolve().parents[5] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(boxlift_(?!backup)\w+?)(?![\w.])", page)) - {"boxlift_health", "boxlift_expected"}
    assert named == set(METRICS)
