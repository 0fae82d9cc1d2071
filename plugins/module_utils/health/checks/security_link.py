# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security of the links between the site's own hosts (role link)."""

from __future__ import annotations

import datetime
import re
import ssl
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import mutual_context

_FOLDER = "/etc/boxlift/link"
_AUTHORITY, _CERTIFICATE, _KEY = (
    f"{_FOLDER}/{name}" for name in ("authority.pem", "certificate.pem", "certificate.key")
)
#: What this host uses of others: the service, and the server by its address and its name.
USED = re.compile(
    r"^\[(?P<service>.+)\]\nclient = yes\naccept = .+\n"
    r"connect = (?P<address>.+):(?P<port>\d+)\ncheckHost = (?P<name>.+)$",
    re.MULTILINE,
)
_DAY = 86400
#: Days before its end from which a certificate is told of.
RENEW_DAYS = 30


@check(
    "security.link_certificates",
    why="When one of these certificates ends, the portal has no database any more, from one minute to the next.",
    expected="the certificates of both ends of every link are valid for at least 30 days",
    remedy="Run playbooks/provision.yml: role link renews certificates in the second half of their time.",
    blocks="nobody",
)
def security_link_certificates(context: Context) -> Verdict:
    if not context.host_file(_CERTIFICATE).exists():
        raise DoesNotApply("this host uses no service of another one through a link")
    ends = {"this host": _end(context, _CERTIFICATE), "the authority": _end(context, _AUTHORITY)}
    days = {name: int((end - context.now()) // _DAY) for name, end in ends.items()}
    over = [name for name, left in days.items() if left < 0]
    if over:
        return failed(f"expired: {' and '.join(over)}")
    for link in USED.finditer(context.host_text(f"{_FOLDER}/stunnel.conf")):
        end = _shown(context, link["address"], int(link["port"]), link["name"])
        if isinstance(end, str):
            return failed(f"{link['service']} at {link['address']}:{link['port']}: {end}")
        days[f"{link['service']} at {link['name']}"] = int((end - context.now()) // _DAY)
    observed = ", ".join(f"{name} {left} days" for name, left in days.items())
    return warned(observed) if min(days.values()) < RENEW_DAYS else passed(observed)


def _end(context: Context, path: str) -> float:
    """When a certificate of this host ends, in seconds of the epoch. Raises CannotLook."""
    try:
        from cryptography import x509
    except ImportError as missing:
        raise CannotLook("the Debian package python3-cryptography is not installed") from missing
    try:
        found = x509.load_pem_x509_certificate(context.host_file(path).read_bytes())
    except ValueError as problem:
        raise CannotLook(f"{path} holds no certificate") from problem
    utc = datetime.timezone.utc
    # Before its version 42 the library knew dates without a zone alone.
    end: t.Any = getattr(found, "not_valid_after_utc", None) or found.not_valid_after.replace(tzinfo=utc)
    return float(end.timestamp())


def _shown(context: Context, address: str, port: int, name: str) -> float | str:
    """When the certificate ends that the server shows to this host, or why it is refused. Raises CannotLook."""
    if context.connect_tcp is None:
        raise CannotLook("connections cannot be made from here")
    tls = mutual_context(*(str(context.host_file(path)) for path in (_AUTHORITY, _CERTIFICATE, _KEY)))
    try:
        with context.connect_tcp(address, port) as plain, tls.wrap_socket(plain, server_hostname=name) as secure:
            shown: dict[str, t.Any] = dict(secure.getpeercert() or {})
    except ssl.SSLCertVerificationError as problem:
        return problem.verify_message
    except OSError as problem:
        raise CannotLook(f"{address}:{port} cannot be reached: {problem}") from problem
    return ssl.cert_time_to_seconds(shown["notAfter"])
