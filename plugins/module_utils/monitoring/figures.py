# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured of a portal beside its checks. A figure that cannot be had raises, and is never guessed."""

from __future__ import annotations

import datetime
import ssl
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook, DoesNotApply
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import unjudged_context
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.metrics import Sample, sample

CRYPTOGRAPHY_IMPORT_ERROR: ImportError | None
try:
    from cryptography import x509
except ImportError as missing:
    CRYPTOGRAPHY_IMPORT_ERROR = missing
else:
    CRYPTOGRAPHY_IMPORT_ERROR = None

Findings = t.Mapping[str, Finding]
Figure = t.Callable[[Context, Findings], "list[Sample]"]
_PUSH = ("push.enabled", "push.server", "push.roundtrip_websocket", "push.roundtrip_longpoll")


def agents(context: Context, _findings: Findings) -> list[Sample]:
    row = context.query(
        "SELECT COUNT(*) AS n, TIMESTAMPDIFF(SECOND, MAX(LAST_EXEC), NOW()) AS age,"
        " COALESCE(SUM(NEXT_EXEC < NOW() - INTERVAL 15 MINUTE), 0) AS overdue"
        " FROM b_agent WHERE ACTIVE = 'Y' AND IS_PERIOD = 'N'"
    )[0]
    if not row["n"]:
        raise CannotLook("there is no active agent with IS_PERIOD='N'")
    # Agents that never ran here are as late as can be, not unknown.
    last = 0.0 if row["age"] is None else context.now() - float(row["age"])
    return [
        sample("boxlift_agent_last_exec_timestamp_seconds", round(last)),
        sample("boxlift_agents_overdue", float(row["overdue"])),
    ]


def mail(context: Context, _findings: Findings) -> list[Sample]:
    row = context.query(
        "SELECT COUNT(*) AS n, COALESCE(TIMESTAMPDIFF(SECOND, MIN(DATE_INSERT), NOW()), 0) AS oldest"
        " FROM b_event WHERE SUCCESS_EXEC = 'N'"
    )[0]
    return [
        sample("boxlift_mail_queue_oldest_seconds", max(0.0, float(row["oldest"]))),
        sample("boxlift_mail_queue_waiting", float(row["n"])),
    ]


def push(context: Context, findings: Findings) -> list[Sample]:
    """What the checks have seen: the round trip is made once."""
    statuses = [findings[name].status for name in _PUSH if name in findings]
    if "fail" in statuses:
        return [sample("boxlift_push_roundtrip_ok", 0)]
    if not context.push_expected and not {"pass", "warn"}.issuperset(statuses):
        raise DoesNotApply("this site is not meant to have a push server")
    if len(statuses) < len(_PUSH) or not {"pass", "warn"}.issuperset(statuses):
        raise CannotLook(f"the checks of the round trip say {', '.join(statuses) or 'nothing'}")
    return [sample("boxlift_push_roundtrip_ok", 1)]


def licence(context: Context, _findings: Findings) -> list[Sample]:
    until = context.option("main", "~support_finish_date")
    try:
        moment = time.mktime(time.strptime(until, "%Y-%m-%d"))
    except ValueError as problem:
        raise CannotLook(f"main.~support_finish_date is {until!r}") from problem
    return [sample("boxlift_licence_expiry_timestamp_seconds", moment)]


def certificate(context: Context, _findings: Findings) -> list[Sample]:
    """The end of the certificate that is shown, also if it is over, or nobody trusts it: a check judges that."""
    if CRYPTOGRAPHY_IMPORT_ERROR is not None:
        raise CannotLook("Python has no cryptography: apt-get install python3-cryptography")
    host, port = context.host, context.url.port or 443
    try:
        plain = context.http.connect(host, port)
        with plain, unjudged_context().wrap_socket(plain, server_hostname=host) as secure:
            shown = secure.getpeercert(binary_form=True) or b""
        read = x509.load_der_x509_certificate(shown)
    except (OSError, ssl.SSLError, ValueError) as problem:
        raise CannotLook(f"{host}:{port} shows no certificate ({problem or type(problem).__name__})") from problem
    # Newer releases of the library have a moment with its zone, and warn of the other one.
    end = getattr(read, "not_valid_after_utc", None) or read.not_valid_after.replace(tzinfo=datetime.timezone.utc)
    return [sample("boxlift_certificate_expiry_timestamp_seconds", end.timestamp(), name=host)]


def quota(context: Context, _findings: Findings) -> list[Sample]:
    limit = context.option("main", "disk_space").strip()
    if limit in ("", "0"):
        raise DoesNotApply("main.disk_space sets no limit")
    if not limit.isdigit():
        raise CannotLook("main.disk_space is no number")
    files = context.value("SELECT COALESCE(SUM(FILE_SIZE), 0) FROM b_file")
    tables = context.value(
        "SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = DATABASE()"
    )
    return [
        sample("boxlift_portal_quota_bytes", int(limit) * 1024**2),
        sample("boxlift_portal_quota_used_bytes", float(files) + float(tables)),
    ]


#: By the name of the set with which each is measured.
OF_PORTAL: dict[str, dict[str, Figure]] = {
    "quick": {"agents": agents, "mail": mail, "push": push, "licence": licence, "certificate": certificate},
    "nightly": {"quota": quota},
}
