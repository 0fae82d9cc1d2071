# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The licence, without ever showing its key."""

from __future__ import annotations

import functools
import hashlib
import re
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.first_page import remedy, stopped
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.health.users import employees
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import read
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.dbconn import PhpStatements

_Look = t.Callable[[Context], Verdict]
_HEADER = re.compile(r"\((DEMO|[0-9a-f]{32})\)")


def _in_use(look: _Look) -> _Look:
    """Fails where the portal answers with a sentence in place of its page: a licence that nobody can use is none."""

    @functools.wraps(look)
    def judged(context: Context) -> Verdict:
        said = stopped(context)
        return failed(f"the portal shows no page, it says: {said}", remedy(said)) if said else look(context)

    return judged


def _key(context: Context) -> str:
    path = context.files.root / "bitrix" / "license_key.php"
    if not path.is_file():
        return ""
    value = PhpStatements.from_bytes(read(path), str(path)).variables.get("LICENSE_KEY", "")
    if not isinstance(value, str):
        raise CannotLook(f"{path} computes the key by an expression")
    return value.strip()


@check(
    "licence.key",
    why="Without its key the portal is a trial that stops; updates, mobile push and applications need it at once.",
    expected="bitrix/license_key.php holds a key",
    remedy="Put the licence key of the box into bitrix/license_key.php (the key of the cloud is not valid here).",
    blocks="some",
    owner="customer",
    needs=("settings.readable",),
)
@_in_use
def licence_key(context: Context) -> Verdict:
    key = _key(context)
    if key.upper() in ("", "DEMO"):
        return failed("no key: the portal runs as a trial" if not key else "the key is DEMO")
    return passed(f"a key of {len(key)} characters")


@check(
    "licence.header",
    why="The header says which licence the running portal really uses.",
    expected="X-Powered-CMS carries the digest of the licence key, not DEMO",
    remedy="Put the licence key into bitrix/license_key.php and clear the cache.",
    blocks="nobody",
    owner="customer",
    vantage=ANYWHERE,
)
@_in_use
def licence_header(context: Context) -> Verdict:
    header = context.http.request(context.address("/")).header("X-Powered-CMS")
    shown = _HEADER.search(header)
    if shown is None:
        raise CannotLook(f"the header X-Powered-CMS is {header!r}" if header else "there is no header X-Powered-CMS")
    if shown.group(1) == "DEMO":
        return failed("the portal runs as a trial")
    if context.portal_files is not None:
        digest = hashlib.md5(f"BITRIX{_key(context)}LICENCE".encode(), usedforsecurity=False).hexdigest()
        if digest != shown.group(1):
            return failed("the running portal uses another key than bitrix/license_key.php has")
    return passed("a licence is in use")


@check(
    "licence.users",
    why="Above the number of licensed users the portal lets new ones in no more.",
    expected="not more active employees than the licence allows",
    remedy="Buy more users, or deactivate those who have left.",
    blocks="some",
    owner="customer",
    needs=("database.reachable",),
)
@_in_use
def licence_users(context: Context) -> Verdict:
    allowed = context.option("main", "PARAM_MAX_USERS")
    if allowed in ("", "0"):
        raise DoesNotApply("main.PARAM_MAX_USERS sets no limit")
    if not allowed.isdigit():
        raise CannotLook("main.PARAM_MAX_USERS is no number")
    whom, note = employees(context.query)
    used = int(context.value(f"SELECT COUNT(DISTINCT u.ID){whom} AND u.LAST_LOGIN IS NOT NULL"))
    observed = f"{used} of {allowed} users{note}"
    if used > int(allowed):
        return failed(observed)
    return warned(observed) if used > int(allowed) * 0.95 else passed(observed)


@check(
    "licence.development",
    why="The vendor's services refuse a production portal that is marked as a development installation.",
    expected="main.update_devsrv is N",
    remedy="Set main.update_devsrv to N on production with portal_option; only copies have Y.",
    blocks="nobody",
    needs=("database.reachable",),
)
@_in_use
def licence_development(context: Context) -> Verdict:
    marked = context.option("main", "update_devsrv", "N")
    return warned("the portal says that it is a copy for development") if marked == "Y" else passed("production")


@check(
    "licence.support",
    why="Without support there are no updates, no applications and no mobile push.",
    expected="the support period has not ended and lasts for 30 more days",
    remedy="Extend the licence; then let the portal ask for its licence again.",
    blocks="nobody",
    owner="customer",
    reference="b_option main.~support_finish_date",
    needs=("database.reachable",),
)
@_in_use
def licence_support(context: Context) -> Verdict:
    until = context.option("main", "~support_finish_date")
    if not until:
        raise CannotLook("main.~support_finish_date is empty: the portal has not asked for its licence yet")
    try:
        moment = time.mktime(time.strptime(until, "%Y-%m-%d"))
    except ValueError as problem:
        raise CannotLook(f"main.~support_finish_date {until!r} is no date") from problem
    days = int((moment - context.now()) // 86400)
    if days < 0:
        return failed(f"ended on {until}")
    return warned(f"until {until}: {days} days left") if days < 30 else passed(f"until {until}")


@check(
    "licence.development_header",
    why="The header tells everybody, the vendor's services too, that this is a copy for development.",
    expected="there is no header X-DevSrv-CMS",
    remedy="Set main.update_devsrv to N with portal_option, and clear the cache.",
    blocks="nobody",
    reference="header X-DevSrv-CMS",
    vantage=ANYWHERE,
)
@_in_use
def licence_development_header(context: Context) -> Verdict:
    shown = context.http.request(context.address("/")).header("X-DevSrv-CMS")
    return warned(f"X-DevSrv-CMS: {shown}") if shown else passed("no such header")
