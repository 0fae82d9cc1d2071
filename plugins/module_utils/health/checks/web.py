# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a visitor's browser meets before it sees a page: the answer, the certificate, redirects, limits."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.first_page import REDIRECTS, first_page, remedy
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    CannotLook,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import Unreachable

RENEW_DAYS = 30
MEGABYTE = 1024 * 1024
_DAV = "/bitrix/groupdav.php"


@check(
    "web.answers",
    why="Users, the mobile application and every integration come in through this address.",
    expected="base_url leads, within the portal, to a page that a working kernel has made",
    remedy="Look at the logs of nginx and PHP-FPM; see that the services run and that the name leads to this host.",
    blocks="everybody",
    reference="site checker: check_server_vars",
    vantage=ANYWHERE,
)
def web_answers(context: Context) -> Verdict:
    try:
        page = first_page(context)
    except Unreachable as problem:
        return failed(problem.message)
    status = page.answer.status
    away = page.leads_away(context.host)
    if away:
        return failed(
            f"{page.url} redirects to another host: {away}", "Run boxlift.portal.portal_site with the new domain."
        )
    if status in REDIRECTS:
        return failed(f"{page.url} answered {status}: it redirects and never comes to a page")
    if status not in (200, 401):
        return failed(f"{page.url} answered {status}: {page.said}")
    if page.works:
        return passed(f"{page.url} answered {status} with a page of the portal")
    if status == 401:
        return warned(
            f"{page.url} answered 401 with no page of the portal: what is behind this login was not seen",
            "Ask from an address that needs no login before the portal's own, or log in with a browser and see that "
            "the portal's page comes.",
        )
    # The portal's kernel has stopped, or something else answers in its place.
    return failed(f"{page.url} answered 200, but with no page of the portal: {page.said}", remedy(page.said))


@check(
    "web.certificate",
    why="Calls, the mobile application, REST applications and cookies need a certificate that everybody accepts.",
    expected="a certificate of a known CA with the whole chain, for this name, valid for at least 30 days",
    remedy="Install the right certificate with its intermediate certificates (role boxlift.portal.certificate).",
    blocks="some",
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
    blocks="nobody",
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


@check(
    "web.reaches_itself",
    why="The portal calls itself by its public name; behind address translation that name often leads nowhere.",
    expected="from its own host the portal's name and port can be reached",
    remedy="Let the name lead to this host, with a line in its hosts file where the network cannot turn back.",
    blocks="some",
    reference="site checker: check_socket",
)
def web_reaches_itself(context: Context) -> Verdict:
    port = context.url.port or (443 if context.url.scheme == "https" else 80)
    problem = context.reaches(context.host, port)
    place = f"{context.host}:{port}"
    return failed(f"{place} cannot be reached from here: {problem}") if problem else passed(f"{place} answers")


@check(
    "web.webdav",
    why="Calendars, contacts and network drives use methods that some servers keep for themselves.",
    expected="PROPFIND, PUT, LOCK, MOVE and MKCOL reach the portal, which asks for a login",
    remedy="Let nginx hand these methods to PHP (role boxlift.portal.web); no module of its own may answer them.",
    blocks="some",
    reference="site checker: check_webdav",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def web_webdav(context: Context) -> Verdict:
    methods = ("PROPFIND", "PUT", "LOCK", "MOVE", "MKCOL")
    answers = {method: context.http.request(context.address(_DAV), method) for method in methods}
    away = [f"{method} ({answer.status})" for method, answer in answers.items() if answer.status not in (401, 207)]
    if away:
        return failed(f"{_DAV} did not ask for a login on {', '.join(away)}")
    return passed(f"{_DAV} asks for a login on all of them")


@check(
    "web.login_scheme",
    why="Programs that log in by a header must be told how; without that they never send it.",
    expected="the answer 401 carries WWW-Authenticate",
    remedy="Let nginx pass the headers of the answer 401 on, and the header Authorization to PHP.",
    blocks="some",
    reference="site checker: check_http_auth",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def web_login_scheme(context: Context) -> Verdict:
    answer = context.http.request(context.address(_DAV), "PROPFIND")
    if answer.status != 401:
        raise CannotLook(f"{_DAV} answered {answer.status}")
    offered = answer.header("WWW-Authenticate")
    return passed(offered) if offered else failed(f"{_DAV} answered 401 without WWW-Authenticate")


@check(
    "web.mobile",
    why="The mobile application begins at this address.",
    expected="/mobile/ answers 200, 401 or a redirect within the portal",
    remedy="Restore mobile/ from the backup, and let nginx hand it to the portal.",
    blocks="some",
    reference="site checker: check_access_mobile",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def web_mobile(context: Context) -> Verdict:
    answer = context.http.request(context.address("/mobile/"))
    target = answer.header("Location")
    if answer.status in (301, 302, 303, 307, 308) and urlsplit(target).hostname not in (None, context.host):
        return failed(f"/mobile/ redirects to another host: {target}")
    good = answer.status in (200, 401, 301, 302, 303, 307, 308)
    return (passed if good else failed)(f"/mobile/ answered {answer.status}")


@check(
    "web.compression",
    why="Uncompressed pages are several times as large; on mobile networks the portal feels slow.",
    expected="pages are compressed for browsers that ask for it",
    remedy="Switch gzip on in nginx (role boxlift.portal.web).",
    blocks="nobody",
    reference="site checker: check_compression",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def web_compression(context: Context) -> Verdict:
    headers = {"User-Agent": "Mozilla/5.0", "Accept-Encoding": "gzip, deflate"}
    for path in ("/", "/auth/"):
        answer = context.http.request(context.address(path), headers=headers)
        if answer.status == 200 and answer.body:
            kind = answer.header("Content-Encoding")
            return passed(f"{path} comes as {kind}") if kind else warned(f"{path} comes uncompressed")
    raise CannotLook("neither / nor /auth/ answers with a page")


@check(
    "web.upload_limit",
    why="The server refuses a large file before the portal sees it, and the user only reads 413.",
    expected="a body of 1 GB is taken on",
    remedy="Raise client_max_body_size in nginx and in every proxy before it (role boxlift.portal.web).",
    blocks="some",
    reference="site checker: check_upload",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def web_upload_limit(context: Context) -> Verdict:
    url = context.address("/")
    for size in (1024, 100, 5):
        status = context.http.announce(url, size * MEGABYTE)
        if status != 413:
            break
    else:
        return failed("even 5 MB are refused with 413")
    if status >= 500:
        raise CannotLook(f"the server failed with {status}")
    return passed("1 GB is taken on") if size == 1024 else warned(f"{size} MB are taken on, the next step is refused")


@check(
    "web.local_redirects",
    why="A redirect that names an inner port, plain http or another host leads visitors out of the portal.",
    expected="redirects stay within the portal's own address",
    remedy="Correct server_name and the proxy's headers in nginx, and the domain with portal_site.",
    blocks="some",
    reference="site checker: check_localredirect",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def web_local_redirects(context: Context) -> Verdict:
    wrong = []
    for path in ("/bitrix", "/mobile", "/company", "/upload", "/auth/?logout=yes"):
        target = context.http.request(context.address(path)).header("Location")
        parts = urlsplit(target)
        if parts.netloc and (parts.scheme, parts.netloc.lower()) != (context.url.scheme, context.url.netloc.lower()):
            wrong.append(f"{path} leads to {target}")
    return failed(some(wrong)) if wrong else passed("all within the portal")


@check(
    "web.fast_download",
    why="Without it every download keeps a PHP process busy for as long as it lasts.",
    expected="main.bx_fast_download is Y, and the folder behind it is closed to visitors",
    remedy="Set main.bx_fast_download to Y with portal_option where nginx has the internal location /bx_tmp_download/.",
    blocks="nobody",
    reference="site checker: check_fast_download",
    needs=("web.answers", "database.reachable"),
)
def web_fast_download(context: Context) -> Verdict:
    status = context.http.request(context.address("/bx_tmp_download/")).status
    if status not in (403, 404):
        return failed(f"/bx_tmp_download/ answered {status}: it is not internal")
    value = context.option("main", "bx_fast_download", "N")
    return passed("on") if value == "Y" else warned(f"main.bx_fast_download is {value!r}")
