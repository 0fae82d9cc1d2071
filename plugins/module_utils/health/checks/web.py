# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a visitor's browser sees before the portal says anything."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from ansible_collections.boxlift.portal.plugins.module_utils.health.client import Unreachable
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

RENEW_DAYS = 30


@check(
    "web.certificate",
    why="Calls, the mobile application, REST applications and cookies need a certificate that everybody accepts.",
    expected="a certificate of a known CA with the whole chain, for this name, valid for at least 30 days",
    remedy="Install the right certificate with its intermediate certificates (role boxlift.portal.certificate).",
    owner="customer",
    reference="site checker: check_socket_ssl",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def web_certificate(context: Context) -> Verdict:
    if context.url.scheme != "https":
        return failed(f"{context.base_url} is not https")
    shown = context.http.certificate(context.host, context.url.port or 443)
    if shown.problem:
        return failed(f"the certificate is not accepted: {shown.problem}")
    if not shown.covers(context.host):
        return failed(f"the certificate is for {', '.join(shown.names) or 'no name'}, not for {context.host}")
    days = int((shown.not_after - context.now()) // 86400)
    until = time.strftime("%Y-%m-%d", time.gmtime(shown.not_after))
    observed = f"for {', '.join(shown.names)}, by {shown.issuer}, until {until}"
    if days < RENEW_DAYS:
        return warned(f"{observed}: {days} days left", "Renew the certificate now.")
    return passed(f"{observed}: {days} days left")


@check(
    "web.redirect",
    why="Who types the bare name arrives by http, and would send passwords and cookies in clear.",
    expected="http://name/ redirects to https://name/",
    remedy="Redirect port 80 to https (role boxlift.portal.web).",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def web_redirect(context: Context) -> Verdict:
    url = f"http://{context.host}/"
    try:
        answer = context.http.request(url)
    except Unreachable as problem:
        return warned(f"{problem.message} Who types the bare name sees an error.")
    target = answer.header("Location")
    parts = urlsplit(target)
    if answer.status in (301, 302, 307, 308) and (parts.scheme, parts.hostname) == ("https", context.host):
        return passed(f"{url} answered {answer.status} to {target}")
    return failed(f"{url} answered {answer.status}" + (f" to {target}" if target else ""))
