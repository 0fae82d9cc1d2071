# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus is told of the connector."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

PROMETHEUS_IMPORT_ERROR: ImportError | None
try:
    import prometheus_client
except ImportError as missing:
    PROMETHEUS_IMPORT_ERROR = missing
else:
    PROMETHEUS_IMPORT_ERROR = None

_LATENCY = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics:
    """Counters and gauges. `text` is the page that Prometheus reads."""

    def __init__(self) -> None:
        if PROMETHEUS_IMPORT_ERROR is not None:
            raise BoxliftError(
                "Python has no prometheus_client.", "apt-get install python3-prometheus-client"
            ) from PROMETHEUS_IMPORT_ERROR
        self._registry = prometheus_client.CollectorRegistry()
        self.sent = self._counter("sent", "Steps that the portal has taken", ["step"])
        self.failures = self._counter("failures", "Requests to the portal that failed", ["kind"])
        self.events = self._counter("ami_events", "Events that were read from the exchange")
        self.gaps = self._counter("ami_gaps", "Times that the connection to the exchange ended")
        self.backfilled = self._counter("backfilled", "Calls that no event told of, found in the exchange's records")
        self.clicks = self._counter("clicks", "Clicks on numbers", ["result"])
        self.unreadable = self._gauge("cdr_unreadable_lines", "Lines of the exchange's records that cannot be read")
        self.connected = self._gauge("ami_connected", "1 while events of the exchange are read")
        self.held = self._gauge("held", "1 while calls are stored and not sent")
        self.calls = self._gauge("calls", "Calls by state", ["state"])
        self.oldest = self._gauge("oldest_unsent_seconds", "Age of the call that has waited longest to be sent")
        self.differences = self._gauge(
            "reconcile_differences", "Calls that the last reconciliation found missing or double"
        )
        self.latency = prometheus_client.Histogram(
            "call_connector_latency_seconds",
            "From an event of the exchange to the request that tells of it",
            buckets=_LATENCY,
            registry=self._registry,
        )

    def _counter(self, name: str, text: str, labels: t.Sequence[str] = ()) -> t.Any:
        return prometheus_client.Counter(f"call_connector_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, labels: t.Sequence[str] = ()) -> t.Any:
        return prometheus_client.Gauge(f"call_connector_{name}", text, labels, registry=self._registry)

    def text(self) -> bytes:
        return prometheus_client.generate_latest(self._registry)
