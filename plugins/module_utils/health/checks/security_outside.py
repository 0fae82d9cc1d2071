# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security as strangers see it: open ports, the versions of TLS, and what browsers are told."""

from __future__ import annotations

import re

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.listening import open_ports
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    OUTSIDE,
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import takes_old_tls

#: Ports of servers that trust whoever reaches them, or that are guessed at all day.
DANGEROUS = {
    **{2375: "Docker", 3306: "MySQL", 5432: "PostgreSQL", 6379: "Redis", 8895: "publishing", 9000: "PHP-FPM"},
    **{9010: "push", 9011: "push", 9200: "Elasticsearch", 9306: "Sphinx", 9312: "Sphinx", 11211: "memcached"},
    **{27017: "MongoDB", 33060: "MySQL X"},
}
#: Others that a portal's host should not show.
SURPLUS = (
    *(21, 23, 25, 53, 110, 111, 139, 143, 389, 445, 465, 587, 631, 873, 993, 995, 2049, 3389, 5222, 5900),
    *(8010, 8011, 8080, 8081, 8443, 8888, 8893, 8894, 9090, 10000),
)


@check(
    "security.open_ports",
    why="Every open port is tried by scanners; databases and caches that answer there are emptied within hours.",
    expected="of the usual ports only 22, 80 and 443 answer from outside",
    remedy="Run role hardening (part firewall), or let the services listen on 127.0.0.1 alone.",
    blocks="nobody",
    needs=("web.answers",),
    vantage=OUTSIDE,
)
def security_open_ports(context: Context) -> Verdict:
    ports = [*DANGEROUS, *SURPLUS]
    found = open_ports(context, context.host, ports)
    dangerous = [f"{port} ({DANGEROUS[port]})" for port in found if port in DANGEROUS]
    if dangerous:
        return failed(f"open: {', '.join([*dangerous, *(str(port) for port in found if port in SURPLUS)])}")
    return warned(f"open: {', '.join(map(str, found))}") if found else passed(f"{len(ports)} ports, all closed")


@check(
    "security.tls_versions",
    why="TLS 1.0 and 1.1 can be broken, and browsers have given them up; only attackers still ask for them.",
    expected="the server refuses TLS 1.0 and 1.1",
    remedy="Set ssl_protocols TLSv1.2 TLSv1.3 in nginx (role web).",
    blocks="nobody",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def security_tls_versions(context: Context) -> Verdict:
    if context.url.scheme != "https":
        raise DoesNotApply("the portal's address is not https")
    http = context.http
    try:
        taken = takes_old_tls(http.connect(context.host, context.url.port or 443), context.host)
    except OSError as problem:
        raise CannotLook(f"TLS 1.1 could not be tried: {problem}") from problem
    return warned("the server takes TLS 1.1 or older") if taken else passed("refused")


@check(
    "security.hsts",
    why="Without it the first request of a browser may go over plain HTTP, where a stranger's network can answer it.",
    expected="answers carry Strict-Transport-Security with a day or more",
    remedy="Run role web (web_hsts_seconds); begin with a day, and raise it when nothing needs plain HTTP.",
    blocks="nobody",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def security_hsts(context: Context) -> Verdict:
    if context.url.scheme != "https":
        raise DoesNotApply("the portal's address is not https")
    value = context.http.request(context.address("/")).header("Strict-Transport-Security")
    found = re.search(r"max-age=\"?(\d+)", value, re.IGNORECASE)
    if found is None:
        return warned("Strict-Transport-Security is missing")
    seconds = int(found.group(1))
    return passed(f"{seconds} seconds") if seconds >= 86400 else warned(f"only {seconds} seconds")


@check(
    "security.page_policies",
    why="Browsers keep strange frames and scripts away only if the server tells them to.",
    expected="answers carry Content-Security-Policy (or its report-only form), Referrer-Policy, and a rule for frames",
    remedy="Run role web, which adds the headers in nginx.",
    blocks="nobody",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def security_page_policies(context: Context) -> Verdict:
    answer = context.http.request(context.address("/"))
    policies = [answer.header(f"Content-Security-Policy{kind}") for kind in ("", "-Report-Only")]
    missing = [] if any(policies) else ["Content-Security-Policy"]
    if not answer.header("X-Frame-Options") and "frame-ancestors" not in policies[0]:
        missing.append("X-Frame-Options")
    missing += [] if answer.header("Referrer-Policy") else ["Referrer-Policy"]
    return warned(f"missing: {', '.join(missing)}") if missing else passed("all there")
