# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal's first page, as a stranger gets it: whether its kernel made it, and else what it says instead.

A kernel that stops (trial over, licence not accepted, site closed, no database) prints a sentence and ends, often with
status 200. So a status proves nothing: only what a working kernel alone puts into a page does.
"""

from __future__ import annotations

import dataclasses
import html
import re
from urllib.parse import urljoin, urlsplit

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import Response, Unreachable

REDIRECTS = (301, 302, 303, 307, 308)
#: So many redirects are followed: a login may need two or three.
HOPS = 5
QUOTED = 200
# The login form, the session's token and the kernel's own scripts. Style sheets, and scripts of other modules, are no
# proof: pages for closed sites have those.
_PROOF = re.compile(
    r"<input\b[^>]*\btype\s*=\s*[\"']?password\b|\bbitrix_sessid\b|/bitrix/(?:js/main|cache/js)/"
    r"|\bBX\.(?:message|ready|setJSList)\b",
    re.IGNORECASE,
)
_CODE = re.compile(r"<!--.*?-->|<(script|style|title)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
# What the sentence is about, by words that such sentences have in English or Russian; the first that fits counts.
_REMEDIES = (
    (r"<\?", "Let nginx hand PHP files to PHP-FPM (role boxlift.portal.web): the source of the page is shown."),
    (
        r"mysql|mariadb|database|db query|баз[аеуы] данных",
        "See that the database server runs, and that connections.default in .settings.php has its account "
        "(boxlift.portal.configure sets it).",
    ),
    (
        r"trial|licen[cs]e|пробн|лиценз|истек|expired",
        "Put the licence key of the box into bitrix/license_key.php, then open /bitrix/admin/ as administrator and "
        "accept the licence.",
    ),
    (
        r"closed|maintenance|under construction|закрыт|обслуживан|технически|разработк",
        "Open the site again: set main.site_stopped to N with boxlift.portal.portal_option, and look into "
        "bitrix/php_interface/init.php for code that closes it.",
    ),
)
_ELSE = (
    "Open the address in a browser as administrator and do what the page says; read the logs of PHP-FPM and the file "
    "that exception_handling in .settings.php names."
)


@dataclasses.dataclass(frozen=True)
class FirstPage:
    """The last of the answers that a visitor of `/` gets, redirects within the portal followed."""

    url: str
    answer: Response

    @property
    def text(self) -> str:
        body = self.answer.body
        named = _CHARSET.search(self.answer.header("Content-Type")) or _CHARSET.search(body[:2048].decode("latin-1"))
        for charset in (named.group(1) if named else "utf-8", "utf-8", "cp1251"):
            try:
                return body.decode(charset)
            except (LookupError, UnicodeDecodeError):
                continue
        return body.decode("utf-8", "replace")

    @property
    def works(self) -> bool:
        """Whether the page holds what only a working kernel puts there."""
        return _PROOF.search(self.text) is not None

    @property
    def said(self) -> str:
        """What a reader sees, in one line, cut to QUOTED characters; `an empty page` where there is nothing."""
        bare = _CODE.sub(" ", self.text)
        words = " ".join(html.unescape(re.sub(r"<[A-Za-z/!][^>]*>", " ", bare)).split())
        if not words:
            return "an empty page"
        return f'"{words}"' if len(words) <= QUOTED else f'"{words[:QUOTED]}…"'

    def leads_away(self, host: str) -> str:
        """Where the answer redirects to, if that is another host."""
        target = self.answer.header("Location") if self.answer.status in REDIRECTS else ""
        return target if urlsplit(target).hostname not in (None, host) else ""


def first_page(context: Context) -> FirstPage:
    """Asked for once. Raises Unreachable, and CannotLook where base_url was not given."""
    return context.once("first page", lambda: _follow(context))


def _follow(context: Context) -> FirstPage:
    page = FirstPage(context.address("/"), context.http.request(context.address("/")))
    for _hop in range(HOPS):
        target = page.answer.header("Location")
        if page.answer.status not in REDIRECTS or not target or page.leads_away(context.host):
            break
        url = urljoin(page.url, target)
        page = FirstPage(url, context.http.request(url))
    return page


def stopped(context: Context) -> str:
    """What the portal says in place of a page, as a quotation; empty where it works, or where nothing can be seen.

    An error's status is not looked at here: web.answers reports it, and the sentence is then often the web server's.
    """
    if context.http_client is None or not context.base_url:
        return ""
    try:
        page = first_page(context)
    except Unreachable:
        return ""
    return page.said if page.answer.status == 200 and not page.works else ""


def remedy(said: str) -> str:
    """The step that helps where the portal says this."""
    return next((step for words, step in _REMEDIES if re.search(words, said, re.IGNORECASE)), _ELSE)
