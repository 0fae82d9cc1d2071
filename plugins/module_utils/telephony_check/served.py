# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate that a port shows, and the one that a file holds."""

from __future__ import annotations

import calendar
import dataclasses
import hashlib
import ssl
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import chain_context, unjudged_context
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import Connector

_END = "-----END CERTIFICATE-----"


@dataclasses.dataclass(frozen=True)
class Shown:
    """`problem` says why the chain is not accepted; empty if it is. `fingerprint` is SHA-256."""

    fingerprint: str
    names: tuple[str, ...]
    not_after: float
    problem: str = ""

    def covers(self, host: str) -> bool:
        """Whether a name of the certificate is this host, or a wildcard for it."""
        host = host.lower().rstrip(".")
        return any(name.lower() in (host, "*." + host.partition(".")[2]) for name in self.names)


#: Host and port → what is shown there. Raises OSError.
Look = t.Callable[[str, int], Shown]


def look_at(connect: Connector, ca_path: str, host: str, port: int) -> Shown:
    """Two handshakes: one that takes any certificate and reads it, and one that judges its chain. Raises OSError."""
    with connect(host, port) as plain, unjudged_context().wrap_socket(plain, server_hostname=host) as secure:
        shown = of_der(secure.getpeercert(binary_form=True) or b"")
    try:
        with connect(host, port) as plain, chain_context(ca_path).wrap_socket(plain, server_hostname=host):
            return shown
    except ssl.SSLCertVerificationError as problem:
        return dataclasses.replace(shown, problem=problem.verify_message)


def of_file(path: str) -> Shown:
    """The first certificate of a file. Raises BoxliftError for a file that holds none, and OSError."""
    with open(path, encoding="ascii", errors="replace") as stream:
        first, end, _rest = stream.read().partition(_END)
    try:
        return of_der(ssl.PEM_cert_to_DER_cert(first[first.rfind("-----BEGIN CERTIFICATE-----") :] + end))
    except ValueError as problem:
        text = f"{path} holds no certificate: {problem}."
        raise BoxliftError(text, "Run the role that deploys it again.") from problem


def of_der(content: bytes) -> Shown:
    """Raises BoxliftError where the library is missing, ValueError for what is no certificate."""
    try:
        from cryptography import x509
    except ImportError as error:
        text = f"The Python library cryptography cannot be used: {error}."
        raise BoxliftError(text, "Install the Debian package python3-cryptography.") from error
    certificate = x509.load_der_x509_certificate(content)
    names: tuple[str, ...] = ()
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names = tuple(str(name.value) for name in extension.value)
    # Debian 12's cryptography knows only the form without a zone, which newer ones warn of; both are UTC.
    end = getattr(certificate, "not_valid_after_utc", None) or certificate.not_valid_after
    return Shown(hashlib.sha256(content).hexdigest(), names, float(calendar.timegm(end.utctimetuple())))
