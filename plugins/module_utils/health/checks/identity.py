# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can log in after the move from the cloud."""

from __future__ import annotations

import re

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

_NEEDS = ("database.reachable",)
# Employees: active users of a department.
_EMPLOYEES = (
    " FROM b_user u JOIN b_user_field f ON f.ENTITY_ID = 'USER' AND f.FIELD_NAME = 'UF_DEPARTMENT'"
    " JOIN b_utm_user d ON d.FIELD_ID = f.ID AND d.VALUE_ID = u.ID AND d.VALUE_INT > 0 WHERE u.ACTIVE = 'Y'"
)
_MASK = re.compile(r'"SESSION_IP_MASK";s:\d+:"([0-9.]+)"')


@check(
    "identity.login",
    why="Users of the cloud log in at the vendor's network; on the box most of them have no usable password.",
    expected="every active employee can log in with a password",
    remedy="Clear EXTERNAL_AUTH_ID of people (not of bots) where the login stays unique and send each of them a letter "
    "to set a password; or connect the directory (LDAP).",
    owner="customer",
    reference="portal kernel: CUser::LoginInternal",
    needs=_NEEDS,
)
def identity_login(context: Context) -> Verdict:
    employees = int(context.value(f"SELECT COUNT(DISTINCT u.ID){_EMPLOYEES}"))
    if not employees:
        raise CannotLook("no active employee was found (users with a department)")
    people = context.query(
        "SELECT DISTINCT u.ID, u.LOGIN, u.EXTERNAL_AUTH_ID AS outer_id, u.BLOCKED, u.PASSWORD_EXPIRED AS expired,"
        f" u.PASSWORD = '' AS bare, COALESCE(u.CONFIRM_CODE, '') <> '' AS invited{_EMPLOYEES}"
        " AND (COALESCE(u.EXTERNAL_AUTH_ID, '') <> '' OR u.BLOCKED = 'Y' OR u.PASSWORD_EXPIRED = 'Y' OR u.PASSWORD = ''"
        " OR COALESCE(u.CONFIRM_CODE, '') <> '') ORDER BY u.ID"
    )
    if not people:
        return passed(f"all {employees} employees have a password of their own")
    reasons: dict[str, int] = {}
    for user in people:
        for reason, holds in (
            (f"authenticated by {user['outer_id']}", bool(user["outer_id"])),
            ("blocked", user["BLOCKED"] == "Y"),
            ("password expired", user["expired"] == "Y"),
            ("no password", bool(user["bare"])),
            ("invitation not accepted", bool(user["invited"])),
        ):
            reasons[reason] = reasons.get(reason, 0) + holds
    counted = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    logins = some([user["LOGIN"] for user in people])
    return failed(f"{len(people)} of {employees} employees cannot log in ({counted}): {logins}")


@check(
    "identity.local_admin",
    why="Without an administrator who logs in locally nobody can repair the portal from inside.",
    expected="at least one active administrator with a password of the portal's own",
    remedy="Give one administrator a local password (EXTERNAL_AUTH_ID empty) and keep it with the customer.",
    owner="customer",
    needs=_NEEDS,
)
def identity_local_admin(context: Context) -> Verdict:
    admins = context.query(
        "SELECT u.LOGIN FROM b_user u JOIN b_user_group g ON g.USER_ID = u.ID AND g.GROUP_ID = 1"
        " AND COALESCE(g.DATE_ACTIVE_FROM, NOW()) <= NOW() AND COALESCE(g.DATE_ACTIVE_TO, NOW()) >= NOW()"
        " WHERE u.ACTIVE = 'Y' AND COALESCE(u.EXTERNAL_AUTH_ID, '') = '' AND u.BLOCKED <> 'Y'"
        " AND u.PASSWORD_EXPIRED <> 'Y' AND u.PASSWORD <> '' ORDER BY u.ID"
    )
    return passed(some([row["LOGIN"] for row in admins])) if admins else failed("none")


@check(
    "identity.password_hashes",
    why="A password hash that an old column has cut off never fits again.",
    expected="b_user.PASSWORD holds 255 characters and no hash is cut off",
    remedy="Widen the column to varchar(255) and have the users named here set a new password.",
    needs=_NEEDS,
)
def identity_password_hashes(context: Context) -> Verdict:
    width = context.query(
        "SELECT CHARACTER_MAXIMUM_LENGTH AS n FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
        " AND TABLE_NAME = 'b_user' AND COLUMN_NAME = 'PASSWORD'"
    )
    if not width:
        raise CannotLook("b_user has no column PASSWORD")
    cut = context.query(
        "SELECT LOGIN FROM b_user WHERE PASSWORD LIKE '$6$%' AND LENGTH(PASSWORD) BETWEEN 33 AND 105 ORDER BY ID"
    )
    if cut:
        return failed(f"{len(cut)} hashes are cut off: {some([row['LOGIN'] for row in cut])}")
    if int(width[0]["n"]) < 106:
        return failed(f"the column holds only {width[0]['n']} characters: every new hash would be cut off")
    return passed(f"{width[0]['n']} characters, no hash is cut off")


@check(
    "identity.session_policy",
    why="A session bound to an address ends when that address changes, or when a proxy hides it.",
    expected="no group binds sessions to the user's address",
    remedy="Set SESSION_IP_MASK of these groups to 0.0.0.0, or make sure that nginx passes real addresses on.",
    reference="portal kernel: group security policy",
    needs=_NEEDS,
)
def identity_session_policy(context: Context) -> Verdict:
    groups = context.query("SELECT ID, NAME, SECURITY_POLICY AS policy FROM b_group WHERE ACTIVE = 'Y' ORDER BY ID")
    if not groups:
        raise CannotLook("there is no active group")
    strict = []
    for group in groups:
        mask = _MASK.search(group["policy"] or "")
        if mask and mask.group(1) != "0.0.0.0":
            strict.append(f"{group['NAME']} ({mask.group(1)})")
    return warned(f"sessions are bound to addresses for: {some(strict)}") if strict else passed(f"{len(groups)} groups")
