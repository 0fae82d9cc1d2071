# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A portal whose kernel has stopped: it answers, often with 200, and nobody can work."""

from __future__ import annotations

import typing as t

import pytest
from unit.plugins.module_utils.health.toy_site import LOGIN_PAGE

HTML = "<!DOCTYPE html><html><head><title>Closed</title><style>p {color: red}</style></head><body>%s</body></html>"
TRIAL = "The period of the trial is over."
#: What is printed with status 200 by stopped kernels and in their place; a word of the quotation, one of the remedy.
STOPPED = {
    "trial": (TRIAL.encode(), TRIAL, "license_key.php"),
    "trial-russian": ("Срок пробной версии истек".encode("cp1251"), "Срок пробной версии истек", "license_key.php"),
    "licence": (b"<p>Please accept the licence agreement</p>", "accept the licence agreement", "accept the licence"),
    "closed": ((HTML % "<h1>Сайт закрыт</h1>").encode(), "Сайт закрыт", "main.site_stopped"),
    "closed-with-style": (
        b'<link href="/bitrix/templates/x/a.css"><script src="/bitrix/js/other/x.js"></script>Under construction',
        "Under construction",
        "main.site_stopped",
    ),
    "database": (
        (HTML % "<b>Error connecting to the database</b>").encode(),
        "Error connecting",
        "connections.default",
    ),
    "database-query": (b"DB query error.<br>Please try later.", "DB query error. Please try later.", "database server"),
    "nothing": (b"", "an empty page", "exception_handling"),
    "source": (b"<?php require 'x.php'; $APPLICATION->ShowHead();", "<?php require", "PHP-FPM"),
    "web-server": (b"<h1>Welcome to nginx!</h1>" + b"<p>If you see this page</p>" * 60, "Welcome to nginx!", "browser"),
    "comment": (b"<!-- BX --><script>var BXold = 1;</script>Hello", '"Hello"', "browser"),
}
LICENCE = ("key", "header", "users", "development", "support", "development_header")
JUDGED = ("web.answers", "domain.page_links", *(f"licence.{name}" for name in LICENCE))


def say(world: t.Any, body: bytes, status: int = 200, path: str = "/", **headers: str) -> None:
    world.site.answers[path] = (status, headers, body)


@pytest.mark.parametrize("body, quoted, step", STOPPED.values(), ids=list(STOPPED))
def test_a_sentence_is_no_portal(world: t.Any, body: bytes, quoted: str, step: str) -> None:
    say(world, body)
    finding = world.finding("web.answers")
    assert (finding.status, quoted in finding.observed) == ("fail", True), finding.observed
    assert step in finding.remedy


def test_licence_and_links_fail_with_the_sentence(world: t.Any) -> None:
    say(world, TRIAL.encode(), **{"X-Powered-CMS": "Bitrix Site Manager (0123456789abcdef0123456789abcdef)"})
    found = world.findings(("web", "domain", "licence"))
    assert {name for name in JUDGED if found[name].status == "fail" and TRIAL in found[name].observed} == set(JUDGED)
    assert {found[name].remedy for name in JUDGED} == {found["web.answers"].remedy}
    assert {name for name in found if name.startswith("licence.")} == {name for name in JUDGED if "licence" in name}
    outside = world.findings(("web", "domain", "licence"), "outside")
    assert {name: outside[name].status for name in JUDGED if name in outside} == dict.fromkeys(
        ("web.answers", "domain.page_links", "licence.header", "licence.development_header"), "fail"
    )


PROOFS = {
    "login form": LOGIN_PAGE,
    "scripts": b'<script src="/bitrix/js/main/core/core.js?1"></script>',
    "joined scripts": b'<script src="https://cdn.company.test/bitrix/cache/js/s1/x.js"></script>',
    "session": b"<script>(window.BX||top.BX).message({'bitrix_sessid':'0123'});</script>",
    "unquoted": b"<INPUT name=P TYPE=password>",
}


@pytest.mark.parametrize("body", PROOFS.values(), ids=list(PROOFS))
def test_what_a_kernel_puts_into_a_page_is_proof(world: t.Any, body: bytes) -> None:
    say(world, body)
    assert world.finding("web.answers").status == "pass"


def test_redirects_within_the_portal_are_followed_to_the_page(world: t.Any) -> None:
    say(world, b"", 302, Location="/stream/")
    say(world, b"", 301, "/stream/", Location="https://portal.boxlift.test/auth/")
    say(world, LOGIN_PAGE, 200, "/auth/")
    assert (
        world.finding("web.answers").observed
        == "https://portal.boxlift.test/auth/ answered 200 with a page of the portal"
    )
    world.context._memory.clear()
    say(world, TRIAL.encode(), 200, "/auth/")
    assert world.finding("web.answers").status == world.finding("licence.header").status == "fail"


def test_a_circle_of_redirects_is_no_page(world: t.Any) -> None:
    say(world, b"", 302, Location="/")
    finding = world.finding("web.answers")
    assert (finding.status, "never comes to a page" in finding.observed) == ("fail", True)


def test_a_login_before_the_portal_hides_it(world: t.Any) -> None:
    say(world, b"<h1>401 Authorization Required</h1>", 401)
    assert world.finding("web.answers").status == "warn"
    world.context._memory.clear()
    say(world, LOGIN_PAGE, 401)
    assert world.finding("web.answers").status == "pass"


def test_an_error_page_is_quoted_and_blames_no_licence(world: t.Any) -> None:
    say(world, b"<h1>502 Bad Gateway</h1>", 502)
    assert '502: "502 Bad Gateway"' in world.finding("web.answers").observed
    assert world.finding("licence.key").status == "pass"
