# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Balancers and web hosts of a site with several, as any of its web hosts sees them (role balancer)."""

from __future__ import annotations

import http.client
import json
import ssl
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import mutual_context, unjudged_context

SITE = "/etc/boxlift/balancers.json"
DRAINED = "/run/boxlift/drain"
_LINK = "/etc/boxlift/link"
_STATUS, _WEB = 8405, 443
_DAY = 86400
#: The words of a web host that is meant to be out of service.
_ASIDE = ("drained", "aside")
#: From so many seconds on, a drained host is told of.
FORGOTTEN = 3600
#: A certificate that ends so many days before this host's own has not been renewed with it.
BEHIND_DAYS = 7
_NO_ANSWER = (OSError, http.client.HTTPException, ValueError)
Data = dict[str, t.Any]


@check(
    "cluster.web_hosts",
    why="With one web host gone the others carry everybody, and the next failure ends work for all.",
    expected="every web host says that it works, and every balancer sends people there",
    remedy="On the host that is named: systemctl status nginx php*-fpm, the link to the database, the share. A host"
    " that says that it works comes back by: boxlift-balancer ready HOST, on each balancer.",
    blocks="nobody",
)
def cluster_web_hosts(context: Context) -> Verdict:
    site = _site(context)
    seen = {name: status for name, status in _statuses(context).items() if isinstance(status, dict)}
    if not seen:
        raise CannotLook("no balancer says which web hosts it uses")
    wrong, aside = [], []
    for name, address in site["web"].items():
        said = _word(context, name, address)
        if said in _ASIDE:
            aside.append(name)
        elif said != "up":
            wrong.append(f"{name}: {said}")
        else:
            without = [balancer for balancer, status in seen.items() if not status["web"].get(name)]
            if without:
                wrong.append(f"{' and '.join(without)} {'send' if len(without) > 1 else 'sends'} nobody to {name}")
    if wrong:
        return failed(some(wrong))
    return passed(f"{len(site['web'])} web hosts" + (f", out of service: {', '.join(aside)}" if aside else ""))


@check(
    "cluster.balancer_address",
    why="Nobody reaches the portal while no balancer has its address, and half of the people do while two have it.",
    expected="every balancer answers, and one of them has the address",
    remedy="On the balancers: systemctl status haproxy keepalived, journalctl -u keepalived. Where both have the"
    " address, see that each lets the other's VRRP through (role hardening), and that both have the same"
    " balancer_vrrp_password.",
    blocks="everybody",
)
def cluster_balancer_address(context: Context) -> Verdict:
    site = _site(context)
    statuses = _statuses(context)
    silent = [f"{name} does not answer: {status}" for name, status in statuses.items() if isinstance(status, str)]
    holders = [name for name, status in statuses.items() if isinstance(status, dict) and status["held"] == "yes"]
    if len(silent) == len(statuses):
        raise CannotLook(some(silent))
    if len(holders) > 1:
        return failed(f"{' and '.join(holders)} both have {site['address']}")
    if site["address"] and not holders:
        return failed("; ".join([f"nobody has {site['address']}", *silent]))
    if silent:
        return failed(some(silent))
    return passed(f"{holders[0]} has {site['address']}" if holders else f"{some(list(statuses))} answers")


@check(
    "cluster.balancer_certificate",
    why="A certificate that was renewed on one host only ends on the others, and with it everybody's work.",
    expected="every balancer shows this host's certificate, or one for the same names that does not end earlier",
    remedy="Run playbooks/provision.yml: role certificate brings the same certificate to web hosts and balancers. With"
    " ACME each host renews its own: see journalctl -u certbot on the balancer.",
    blocks="nobody",
)
def cluster_balancer_certificate(context: Context) -> Verdict:
    site = _site(context)
    own = context.once("balancer own certificate", lambda: _own(context, site["certificate"]))
    wrong, late, same = [], [], []
    for name, address in site["balancers"].items():
        try:
            shown = _Certificate.read(_shown(context, address, site["name"]))
        except _NO_ANSWER as problem:
            raise CannotLook(f"{name} shows no certificate: {problem}") from problem
        missing = sorted(own.names - shown.names)
        if shown.end < context.now():
            wrong.append(f"that of {name} has expired")
        elif missing:
            wrong.append(f"that of {name} lacks {', '.join(missing)}")
        elif shown.end < own.end - BEHIND_DAYS * _DAY:
            late.append(f"that of {name} ends {int((own.end - shown.end) // _DAY)} days before this host's")
        else:
            same.append(name)
    if wrong:
        return failed(some(wrong + late))
    return warned(some(late)) if late else passed(f"good on {', '.join(same)}")


@check(
    "cluster.drained",
    why="A host that somebody has drained and forgotten carries nobody, and the others carry its share.",
    expected="this host is in service, or was taken out of it within the last hour",
    remedy="Bring it back: on each balancer boxlift-balancer ready HOST, and remove /run/boxlift/drain here.",
    blocks="nobody",
)
def cluster_drained(context: Context) -> Verdict:
    _site(context)
    try:
        since = context.host_file(DRAINED).stat().st_mtime
    except FileNotFoundError:
        return passed("this host is in service")
    minutes = int((context.now() - since) // 60)
    told = f"this host has been drained for {minutes} minutes"
    return warned(told) if minutes * 60 >= FORGOTTEN else passed(told)


def _site(context: Context) -> Data:
    """Who is who, as role balancer has written it on this web host. Raises DoesNotApply and CannotLook."""
    text = context.host_text(SITE)
    if not text:
        raise DoesNotApply("this site has no balancers")
    try:
        return {"address": "", **json.loads(text)}
    except ValueError as problem:
        raise CannotLook(f"{SITE} holds no object of JSON") from problem


def _statuses(context: Context) -> dict[str, Data | str]:
    """What each balancer says of itself, or why it does not."""
    return context.once("balancer statuses", lambda: _ask_balancers(context))


def _ask_balancers(context: Context) -> dict[str, Data | str]:
    found: dict[str, Data | str] = {}
    for name, address in _site(context)["balancers"].items():
        try:
            status, text = _get(context, name, address, _STATUS, "/status")
            found[name] = json.loads(text) if status == 200 else f"status {status}"
        except _NO_ANSWER as problem:
            found[name] = str(problem)
    return found


def _word(context: Context, name: str, address: str) -> str:
    """What a web host says of itself: one word, or why it says nothing."""
    try:
        status, text = _get(context, name, address, _WEB, "/boxlift/health")
    except _NO_ANSWER as problem:
        return str(problem)
    word = text.strip()
    return word if word.isalpha() and len(word) < 20 else f"status {status}"


def _get(context: Context, name: str, address: str, port: int, path: str) -> tuple[int, str]:
    """Status and body of one answer; both ends prove each other by the link's certificates. Raises OSError."""
    paths = (
        str(context.host_file(f"{_LINK}/{each}")) for each in ("authority.pem", "certificate.pem", "certificate.key")
    )
    tls = mutual_context(*paths)
    with _connected(context, address, port) as plain, tls.wrap_socket(plain, server_hostname=name) as secure:
        secure.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(secure)
        answer.begin()
        return answer.status, answer.read(4096).decode("utf-8", "replace")


def _connected(context: Context, address: str, port: int) -> t.Any:
    if context.connect_tcp is None:
        raise CannotLook("connections cannot be made from here")
    return context.connect_tcp(address, port)


def _shown(context: Context, address: str, name: str) -> bytes:
    """The certificate at the public port, whoever has signed it."""
    tls = unjudged_context()
    with _connected(context, address, _WEB) as plain, tls.wrap_socket(plain, server_hostname=name) as secure:
        return secure.getpeercert(binary_form=True) or b""


class _Certificate(t.NamedTuple):
    names: frozenset[str]
    end: float

    @classmethod
    def read(cls, encoded: bytes) -> _Certificate:
        """Raises CannotLook and ValueError."""
        try:
            from cryptography import x509
        except ImportError as missing:
            raise CannotLook("the Debian package python3-cryptography is not installed") from missing
        found = x509.load_der_x509_certificate(encoded)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        end = getattr(found, "not_valid_after_utc", None)
        # Before its version 42 the library knew dates without a zone alone.
        seconds = end.timestamp() if end else ssl.cert_time_to_seconds(f"{found.not_valid_after:%b %d %H:%M:%S %Y} GMT")
        return cls(frozenset(names.get_values_for_type(x509.DNSName)), float(seconds))


def _own(context: Context, path: str) -> _Certificate:
    """This host's certificate, the first one of the file. Raises CannotLook."""
    text = context.host_text(path)
    try:
        first = text[text.index("-----BEGIN CERTIFICATE-----") :].partition("-----END CERTIFICATE-----")
        return _Certificate.read(ssl.PEM_cert_to_DER_cert("".join(first[:2])))
    except ValueError as problem:
        raise CannotLook(f"{path} holds no certificate") from problem
