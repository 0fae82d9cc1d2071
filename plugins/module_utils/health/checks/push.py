# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The push server: whether it is on, and what the portal loses without it."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

COST = (
    "without it the messenger has no paper clip (files cannot be sent), telephony card, video calls, live comments, "
    "counters and the login by QR code do not work, and the messenger looks for news only every 80 seconds"
)
# These are never looked up in .settings.php.
_ONLY_DATABASE = ("server_mode", "registered_on_shared_server")
_DEFAULTS = {"nginx": "N", "server_mode": "personal", "nginx_version": "2", "signature_key": "", "push": "N"}
_REFUSED = (401, 403, 404, 405, 410)


def effective(context: Context, name: str) -> str:
    """What the module pull takes: a row of b_option, else .settings.php, else the module's default."""
    row = context.option("pull", name, "\0")
    if row != "\0":
        return row
    if name not in _ONLY_DATABASE:
        value = context.setting("pull", name)
        if value is not None:
            return str(value)
    return _DEFAULTS.get(name, "")


def _shared(context: Context) -> bool:
    return effective(context, "server_mode") == "shared"


@check(
    "push.enabled",
    why=f"The push server carries the messenger: {COST}.",
    expected="pull.nginx is Y (or the vendor's shared server is registered)",
    remedy="Install the push server (role boxlift.portal.push_server) and set pull.nginx to Y with portal_option.",
    reference="site checker: check_pull_stream",
    needs=("database.reachable", "settings.readable"),
)
def push_enabled(context: Context) -> Verdict:
    if _shared(context):
        if effective(context, "registered_on_shared_server") == "Y":
            return passed("the vendor's shared push server is registered")
        return failed(f"server_mode is shared, but the portal is not registered there; {COST}")
    if effective(context, "nginx") == "Y":
        return passed("pull.nginx is Y")
    return (failed if context.push_expected else warned)(f"pull.nginx is {effective(context, 'nginx')!r}; {COST}")


@check(
    "push.attachments",
    why="Files can be attached in the messenger only when push, disk and messenger are all in place.",
    expected="modules pull, disk and im are installed and disk.successfully_converted is Y",
    remedy="Install the missing modules; finish the conversion of the module disk in the portal's administration.",
    reference="messenger: disk.enable",
    needs=("push.enabled",),
)
def push_attachments(context: Context) -> Verdict:
    installed = {row["ID"] for row in context.query("SELECT ID FROM b_module WHERE ID IN ('pull', 'disk', 'im')")}
    missing = [module for module in ("pull", "disk", "im") if module not in installed]
    if missing:
        return failed(f"modules not installed: {', '.join(missing)}")
    converted = context.option("disk", "successfully_converted")
    if converted in ("", "N", "0"):
        return failed(f"disk.successfully_converted is {converted!r}: the paper clip is hidden")
    return passed("pull, disk and im are installed, disk is converted")


@check(
    "push.server",
    why="An old protocol is no longer developed, and without a key channels are not signed.",
    expected="nginx_version is 4 or later and signature_key is set",
    remedy="Set nginx_version to 4 and signature_key to the push server's key in .settings.php.",
    reference="site checker: check_pull_stream",
    needs=("push.enabled",),
)
def push_server(context: Context) -> Verdict:
    if _shared(context):
        raise DoesNotApply("the vendor's shared push server is used")
    if effective(context, "nginx") != "Y":
        raise DoesNotApply("this site runs without a push server")
    version = effective(context, "nginx_version")
    if not version.isdigit() or int(version) < 4:
        return warned(f"nginx_version is {version}, which is deprecated")
    if not effective(context, "signature_key"):
        return failed("signature_key is empty: channels are not signed")
    return passed(f"nginx_version {version}, channels are signed")


@check(
    "push.precedence",
    why="A row in b_option silently outranks .settings.php; a restored database brings the cloud's rows.",
    expected="no row of b_option contradicts the section pull of .settings.php",
    remedy="Delete the rows named here with portal_option (NAME: null), or give .settings.php the same values.",
    needs=("database.reachable", "settings.readable"),
)
def push_precedence(context: Context) -> Verdict:
    section = context.setting("pull")
    if not isinstance(section, dict):
        return passed(".settings.php has no section pull")
    rows = {
        row["NAME"].lower(): str(row["VALUE"])
        for row in context.query("SELECT NAME, VALUE FROM b_option WHERE MODULE_ID = 'pull'")
    }
    wrong = [str(name) for name, value in section.items() if rows.get(str(name).lower(), str(value)) != str(value)]
    return warned(f"b_option outranks .settings.php in: {', '.join(wrong)}") if wrong else passed("no contradiction")


@check(
    "push.errors",
    why="After ten failed deliveries within two minutes the portal stops sending to the push server.",
    expected="pull.nginx_error is N",
    remedy="See that the push server runs and that path_to_publish leads to it; then set pull.nginx_error to N.",
    reference="admin notice PULL_ERROR_SEND",
    needs=("push.enabled",),
)
def push_errors(context: Context) -> Verdict:
    error = context.option("pull", "nginx_error", "N")
    return passed("no errors counted") if error in ("N", "") else failed("deliveries to the push server fail")


@check(
    "push.publish_private",
    why="Who reaches the publishing address can write into everybody's messenger without a signature.",
    expected="/bitrix/pub/ and /server-stat/ are refused on the portal's public address",
    remedy="Take these locations out of the public server of nginx; they belong to port 8895 of the internal network.",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def push_publish_private(context: Context) -> Verdict:
    answers = {path: context.http.request(context.address(path)).status for path in ("/bitrix/pub/", "/server-stat/")}
    observed = ", ".join(f"{path} answered {status}" for path, status in answers.items())
    return passed(observed) if all(status in _REFUSED for status in answers.values()) else failed(observed)
