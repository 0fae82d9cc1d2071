# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can log in after the move from the cloud."""

from __future__ import annotations

import collections
import pathlib
import re
import stat

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.php import web_php
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.health.users import employees, locked_out
from ansible_collections.boxlift.portal.plugins.module_utils.portal.site import has_table

_NEEDS = ("database.reachable",)
_SESSION_COOKIE = re.compile(r"(BITRIX_)?PHPSESSID")
_MASK = re.compile(r'"SESSION_IP_MASK";s:\d+:"([0-9.]+)"')


@check(
    "identity.login",
    why="Users of the cloud log in at the vendor's network; on the box most of them have no usable password.",
    expected="every active employee can log in with a password",
    remedy="Clear EXTERNAL_AUTH_ID of people (not of bots) where the login stays unique and send each of them a letter "
    "to set a password (option users_csv lists them); or connect the directory (LDAP).",
    blocks="some",
    owner="customer",
    reference="portal kernel: CUser::LoginInternal",
    needs=_NEEDS,
)
def identity_login(context: Context) -> Verdict:
    whom, note = employees(context.query)
    number = int(context.value(f"SELECT COUNT(DISTINCT u.ID){whom}"))
    if not number:
        raise CannotLook(f"no active employee was found (users with a department){note}")
    people = locked_out(context.query)
    if not people:
        return passed(f"all {number} employees have a password of their own{note}")
    reasons = collections.Counter(reason for one in people for reason in one.reasons)
    counted = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    logins = some([one.login for one in people])
    return failed(f"{len(people)} of {number} employees cannot log in ({counted}): {logins}{note}")


@check(
    "identity.local_admin",
    why="Without an administrator who logs in locally nobody can repair the portal from inside.",
    expected="at least one active administrator with a password of the portal's own",
    remedy="Give one administrator a local password (EXTERNAL_AUTH_ID empty) and keep it with the customer.",
    blocks="nobody",
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
    blocks="some",
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
    blocks="some",
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


@check(
    "identity.session_survives",
    why="A session that does not survive to the next request logs people out at every click.",
    expected="the second request goes on with the session of the first, with a browser's name and without",
    remedy="See that the session storage of .settings.php answers and can be written to; with several web hosts, that "
    "it is the same for all.",
    blocks="everybody",
    reference="site checker: check_session, check_session_ua",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def identity_session_survives(context: Context) -> Verdict:
    for agent in ({"User-Agent": "Mozilla/5.0"}, {}):
        first = context.http.request(context.address("/"), headers=agent)
        session = next((each for name, each in first.cookies.items() if _SESSION_COOKIE.fullmatch(name)), None)
        if session is None:
            raise CannotLook("the portal's answer sets no session cookie")
        cookies = {"Cookie": "; ".join(f"{each.name}={each.value}" for each in first.cookies.values())}
        again = context.http.request(context.address("/"), headers={**agent, **cookies}).cookies.get(session.name)
        if again is not None and again.value != session.value:
            return failed("the second request got another session" + ("" if agent else " (without a browser's name)"))
    return passed("the session goes on")


@check(
    "identity.cookies",
    why="A cookie for the wrong domain, or one that scripts can read, logs people out or gives their session away.",
    expected="the session cookie is for this host, Secure where the portal is https, and HttpOnly",
    remedy="Correct cookies in .settings.php with portal_settings, and b_lang_domain with portal_site.",
    blocks="some",
    reference=".settings.php cookies",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def identity_cookies(context: Context) -> Verdict:
    cookies = context.http.request(context.address("/")).cookies
    session = next((each for name, each in cookies.items() if _SESSION_COOKIE.fullmatch(name)), None)
    if session is None:
        raise CannotLook("the portal's answer sets no session cookie")
    domain = session.attributes.get("domain", "").lstrip(".").lower()
    if domain and not f".{context.host}".endswith(f".{domain}"):
        return failed(f"the session cookie is for {domain}: browsers drop it")
    secure, https = "secure" in session.attributes, context.url.scheme == "https"
    if secure and not https:
        return failed("the session cookie is Secure on a portal without https: nobody can log in")
    open_ways = [
        name
        for name, bad in (("Secure", https and not secure), ("HttpOnly", "httponly" not in session.attributes))
        if bad
    ]
    return warned(f"the session cookie lacks {', '.join(open_ways)}") if open_ways else passed("as they should be")


@check(
    "identity.session_storage",
    why="Sessions in a folder that is missing, that others read or that is cleared early end without a word.",
    expected="session.gc_maxlifetime is 1440 or more; the folder of session files is there and closed to others",
    remedy="Set web_session_directory (role boxlift.portal.web): a folder of the portal's own with mode 0700.",
    blocks="some",
    reference="security scanner: session files",
    needs=("settings.readable",),
)
def identity_session_storage(context: Context) -> Verdict:
    php = web_php(context)
    if php.number("session.gc_maxlifetime") < 1440:
        return failed(f"session.gc_maxlifetime is {php.settings['session.gc_maxlifetime']}")
    general = context.setting("session", "handlers", "general")
    kind = general.get("type", "file") if isinstance(general, dict) else general or "file"
    if kind != "file" or php.settings.get("session.save_handler", "files") != "files":
        return passed(f"sessions in {kind if kind != 'file' else php.settings['session.save_handler']}")
    folder = pathlib.Path(php.settings.get("session.save_path", "").rpartition(";")[2] or "/tmp")
    if not folder.is_dir():
        return failed(f"session.save_path {folder} is no directory")
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IROTH:
        return warned(f"session.save_path {folder} has {mode:04o}: others see the names of the sessions")
    return passed(f"files in {folder}")


@check(
    "identity.server_id",
    why="Every session carries a sign made of this number; where it is missing, each request may end the session.",
    expected="main.server_uniq_id is set",
    remedy="Open any page as administrator and look again; if it stays empty, the portal cannot write b_option.",
    blocks="everybody",
    needs=_NEEDS,
)
def identity_server_id(context: Context) -> Verdict:
    return passed("set") if context.option("main", "server_uniq_id") else failed("main.server_uniq_id is empty")


@check(
    "identity.forced_logins",
    why="Whoever logs in again and again within a day is being logged out.",
    expected="nobody logged in more than 20 times within a day, by the event log",
    remedy="Look at identity.session_survives, identity.session_policy and the session storage.",
    blocks="some",
    reference="event log: USER_AUTHORIZE",
    needs=_NEEDS,
)
def identity_forced_logins(context: Context) -> Verdict:
    context.need_table("b_event_log")
    often = context.query(
        "SELECT ITEM_ID AS user, COUNT(*) AS n FROM b_event_log"
        " WHERE AUDIT_TYPE_ID = 'USER_AUTHORIZE' AND TIMESTAMP_X > NOW() - INTERVAL 1 DAY"
        " GROUP BY ITEM_ID HAVING COUNT(*) > 20 ORDER BY n DESC"
    )
    if often:
        shown = some([f"user {row['user']} {row['n']} times" for row in often])
        return warned(f"{len(often)} log in too often: {shown}")
    return passed("nobody")


@check(
    "identity.ldap",
    why="Users of a directory that is not set up, or does not answer, cannot log in.",
    expected="every directory that users belong to is active here and answers",
    remedy="Set the directory's server up in the module ldap, and open the way to it.",
    blocks="some",
    owner="customer",
    reference="site checker: check_ad, check_ntlm",
    needs=_NEEDS,
)
def identity_ldap(context: Context) -> Verdict:
    users = {
        str(row["outer_id"])[5:]: int(row["n"])
        for row in context.query(
            "SELECT EXTERNAL_AUTH_ID AS outer_id, COUNT(*) AS n FROM b_user"
            " WHERE ACTIVE = 'Y' AND EXTERNAL_AUTH_ID LIKE 'LDAP#%' GROUP BY EXTERNAL_AUTH_ID"
        )
    }
    if not users:
        context.need_table("b_ldap_server")
    elif not has_table(context.connection, "b_ldap_server"):
        return failed(f"{sum(users.values())} users of a directory, and the module ldap is not installed")
    servers = {str(row["ID"]): row for row in context.query("SELECT ID, SERVER, PORT, ACTIVE FROM b_ldap_server")}
    if not servers and not users:
        raise DoesNotApply("no directory is used")
    wrong = [
        f"{count} users of server {server}, which is not active here"
        for server, count in users.items()
        if servers.get(server, {}).get("ACTIVE") != "Y"
    ]
    for row in servers.values():
        if row["ACTIVE"] == "Y":
            host = str(row["SERVER"]).rpartition("://")[2]
            port = int(row["PORT"] or 389)
            problem = context.reaches(host, port)
            wrong += [f"{host}:{port} does not answer: {problem}"] if problem else []
    return failed(some(wrong)) if wrong else passed(f"{len(servers)} servers, {sum(users.values())} users")


@check(
    "identity.network",
    why="The login through the vendor's network works only for the domain that it was registered for.",
    expected="socialservices.bitrix24net_domain is this portal's address, with an id and a secret",
    remedy="Register the portal again in the settings of the module socialservices, or have the users set passwords.",
    blocks="some",
    owner="customer",
    reference="site checker: check_socnet",
    needs=_NEEDS,
)
def identity_network(context: Context) -> Verdict:
    values = {name: context.option("socialservices", f"bitrix24net_{name}") for name in ("domain", "id", "secret")}
    users = int(context.value("SELECT COUNT(*) FROM b_user WHERE ACTIVE = 'Y' AND EXTERNAL_AUTH_ID = 'socservices'"))
    host = context.host
    if not any(values.values()):
        if users:
            return failed(f"{users} users log in through the network, and the portal is not registered there")
        raise DoesNotApply("the vendor's network is not used for logins")
    missing = [name for name, value in values.items() if not value]
    if missing:
        return failed(f"bitrix24net_{missing[0]} is empty; {users} users log in through the network")
    registered = values["domain"].rpartition("://")[2].partition("/")[0].partition(":")[0].lower()
    if registered != host.lower():
        return (failed if users else warned)(f"registered for {values['domain']}; {users} users log in this way")
    return passed(f"registered for {registered}")


@check(
    "identity.one_time_codes",
    why="Who must give a one-time code and has no device for it stands before a closed door.",
    expected="where one-time codes are demanded, every employee has a device",
    remedy="Let these users through for some days in the module security, so that they can connect a device.",
    blocks="some",
    owner="customer",
    reference="security scanner: one-time passwords",
    needs=_NEEDS,
)
def identity_one_time_codes(context: Context) -> Verdict:
    if context.option("security", "otp_mandatory_using") != "Y":
        raise DoesNotApply("one-time codes are not demanded")
    context.need_table("b_sec_user")
    whom, note = employees(context.query)
    bare = context.query(
        f"SELECT DISTINCT u.LOGIN{whom} AND NOT EXISTS"
        " (SELECT 1 FROM b_sec_user s WHERE s.USER_ID = u.ID AND s.ACTIVE = 'Y') ORDER BY u.LOGIN"
    )
    if bare:
        return warned(f"{len(bare)} employees have no device: {some([row['LOGIN'] for row in bare])}{note}")
    return passed(f"every employee has a device{note}")


@check(
    "identity.arrived",
    why="Whoever still works in the cloud adds data there that this portal never sees.",
    expected="at least half of the employees have been here since the baseline was taken",
    remedy="Tell the others the new address, and close the cloud to them.",
    blocks="some",
    owner="customer",
    needs=_NEEDS,
)
def identity_arrived(context: Context) -> Verdict:
    whom, note = employees(context.query)
    everybody = int(context.value(f"SELECT COUNT(DISTINCT u.ID){whom}"))
    if not everybody:
        raise CannotLook("no active employee was found (users with a department)")
    since = str(context.need_baseline("newest", "users"))
    here = int(context.value(f"SELECT COUNT(DISTINCT u.ID){whom} AND u.LAST_ACTIVITY_DATE > %s", since))
    observed, before = f"{here} of {everybody} employees since {since}{note}", f"last seen in the cloud at {since}"
    return Verdict("pass" if here * 2 >= everybody else "warn", observed, before=before)
