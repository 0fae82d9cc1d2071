# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Integrations: applications, bots, webhooks, connectors, and the vendor's services."""

from __future__ import annotations

import urllib.parse

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
from ansible_collections.boxlift.portal.plugins.module_utils.portal.site import cloud_names, has_table

_NEEDS = ("database.reachable",)
# Tables with rows of applications, and the column with the application's id.
_LEFT_BY_APPS = (
    ("b_rest_event", "APP_ID"),
    ("b_rest_placement", "APP_ID"),
    ("b_imconnectors_custom_connectors", "REST_APP_ID"),
    ("b_crm_automation_trigger_app", "APP_ID"),
)
# Tables and columns with the addresses that applications and webhooks want to be called at.
_HANDLERS = (
    ("b_rest_app", "URL", "INSTALLED = 'Y'"),
    ("b_rest_event", "EVENT_HANDLER", "1 = 1"),
    ("b_rest_placement", "PLACEMENT_HANDLER", "1 = 1"),
    ("b_bp_rest_activity", "HANDLER", "1 = 1"),
)
HANDLERS_ASKED = 20


@check(
    "integrations.rest",
    why="Without an identity of its own the portal's applications and webhooks with events do not work.",
    expected="module rest is installed, and rest.service_client_id and service_client_secret are set",
    remedy="Open Applications in the portal as administrator: it registers itself, with a licence and the internet.",
    blocks="some",
    reference="site checker: check_rest",
    needs=_NEEDS,
)
def integrations_rest(context: Context) -> Verdict:
    if not context.query("SELECT ID FROM b_module WHERE ID = 'rest'"):
        return failed("module rest is not installed")
    bare = [name for name in ("service_client_id", "service_client_secret") if not context.option("rest", name)]
    return warned(f"not registered: rest.{bare[0]} is empty") if bare else passed("registered")


@check(
    "integrations.applications",
    why="Applications from the market were issued for the cloud's portal and do not know this one.",
    expected="only local applications are taken over, and none has run out",
    remedy="Install these applications again from the market on this portal, and give local ones their new keys. Then "
    "leave this check out (skip): the database does not say when an application was installed.",
    blocks="some",
    owner="customer",
    reference="b_rest_app",
    needs=_NEEDS,
)
def integrations_applications(context: Context) -> Verdict:
    context.need_table("b_rest_app")
    apps = context.query(
        "SELECT CODE, STATUS, DATE_FINISH < CURDATE() AS ended FROM b_rest_app"
        " WHERE ACTIVE = 'Y' AND INSTALLED = 'Y' ORDER BY CODE"
    )
    market = [str(row["CODE"]) for row in apps if row["STATUS"] != "L"]
    over = [str(row["CODE"]) for row in apps if row["ended"]]
    wrong = [f"{len(market)} from the market: {some(market)}"] if market else []
    wrong += [f"{len(over)} have run out: {some(over)}"] if over else []
    return warned("; ".join(wrong)) if wrong else passed(f"{len(apps)} local applications")


@check(
    "integrations.orphans",
    why="Handlers, placements and triggers of an application that is gone make the portal wait for nobody.",
    expected="what applications have registered belongs to an active application",
    remedy="Install the application again, or delete its rows from the tables named here.",
    blocks="nobody",
    reference="b_rest_event, b_rest_placement",
    needs=_NEEDS,
)
def integrations_orphans(context: Context) -> Verdict:
    context.need_table("b_rest_app")
    orphans = []
    for table, column in _LEFT_BY_APPS:
        if not has_table(context.connection, table):
            continue
        lost = int(
            context.value(
                f"SELECT COUNT(*) FROM {table} x LEFT JOIN b_rest_app a ON a.ID = x.{column} AND a.ACTIVE = 'Y'"
                f" WHERE x.{column} > 0 AND a.ID IS NULL"
            )
        )
        orphans += [f"{lost} in {table}"] if lost else []
    return warned(", ".join(orphans)) if orphans else passed("none")


def _handlers(context: Context) -> dict[str, list[str]]:
    """Addresses that applications and webhooks want to be called at, each with the tables that name it."""
    found: dict[str, list[str]] = {}
    for table, column, condition in _HANDLERS:
        if has_table(context.connection, table):
            sql = f"SELECT DISTINCT {column} AS url FROM {table} WHERE {condition} AND {column} LIKE 'http%'"
            for row in context.query(sql):
                found.setdefault(str(row["url"]), []).append(table)
    return found


@check(
    "integrations.cloud_handlers",
    why="An event that is sent to the cloud's portal is lost here, and tells the cloud what happens here.",
    expected="no application or webhook is called at a portal in the vendor's cloud",
    remedy="Register these handlers again with the address that answers now.",
    blocks="some",
    reference="b_rest_event, b_rest_placement, b_rest_app",
    needs=_NEEDS,
)
def integrations_cloud_handlers(context: Context) -> Verdict:
    context.need_table("b_rest_app")
    handlers = _handlers(context)
    away = sorted({f"{tables[0]}: {name}" for url, tables in handlers.items() for name in cloud_names(url)})
    return failed(some(away)) if away else passed(f"{len(handlers)} addresses")


@check(
    "integrations.handlers_answer",
    why="A webhook that cannot be delivered loses the event: the accounting never hears of the deal.",
    expected="the hosts of all handlers can be reached from the portal",
    remedy="Open the way in the firewall, or correct the address with the application's owner.",
    blocks="some",
    owner="customer",
    reference="b_rest_event",
    needs=_NEEDS,
)
def integrations_handlers_answer(context: Context) -> Verdict:
    context.need_table("b_rest_app")
    places = set()
    for url in _handlers(context):
        parts = urllib.parse.urlsplit(url)
        if parts.hostname:
            places.add((parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)))
    if not places:
        raise DoesNotApply("there are no handlers")
    asked = sorted(places)[:HANDLERS_ASKED]
    silent = [f"{host}:{port}" for host, port in context.silent(asked)]
    return (
        warned(f"no connection to {some(silent)}") if silent else passed(f"{len(asked)} of {len(places)} hosts answer")
    )


@check(
    "integrations.incoming",
    why="An incoming webhook works in the name of its user; when he has left, it stops or becomes a hidden door.",
    expected="every active incoming webhook belongs to an active user",
    remedy="Issue these webhooks again for a user who stays, and delete the old ones.",
    blocks="some",
    owner="customer",
    reference="b_rest_ap",
    needs=_NEEDS,
)
def integrations_incoming(context: Context) -> Verdict:
    context.need_table("b_rest_ap")
    left = context.query(
        "SELECT p.ID, p.USER_ID AS user FROM b_rest_ap p LEFT JOIN b_user u ON u.ID = p.USER_ID AND u.ACTIVE = 'Y'"
        " WHERE p.ACTIVE = 'Y' AND u.ID IS NULL ORDER BY p.ID"
    )
    if left:
        return warned(f"{len(left)} of users who are not active: {some([row['ID'] for row in left])}")
    return passed(f"{context.value('SELECT COUNT(*) FROM b_rest_ap')} incoming webhooks")


@check(
    "integrations.bots",
    why="A chat bot without its user, module or application keeps silent.",
    expected="every bot has an active user, an installed module and, if it needs one, an active application",
    remedy="Register the bot again with its application; delete bots that only the cloud has.",
    blocks="some",
    reference="b_im_bot",
    needs=_NEEDS,
)
def integrations_bots(context: Context) -> Verdict:
    context.need_table("b_im_bot")
    context.need_table("b_rest_app")
    bots = context.query(
        "SELECT b.CODE, b.MODULE_ID AS module, u.ID IS NULL AS no_user, m.ID IS NULL AS no_module,"
        " b.MODULE_ID = 'rest' AND a.ID IS NULL AS no_app FROM b_im_bot b"
        " LEFT JOIN b_user u ON u.ID = b.BOT_ID AND u.ACTIVE = 'Y' LEFT JOIN b_module m ON m.ID = b.MODULE_ID"
        " LEFT JOIN b_rest_app a ON a.CLIENT_ID = b.APP_ID AND a.ACTIVE = 'Y' AND a.INSTALLED = 'Y' ORDER BY b.CODE"
    )
    reasons = {
        "no_user": "has no active user",
        "no_module": "its module is not installed",
        "no_app": "has no application",
    }
    wrong = [
        f"{row['CODE']} ({next(text for key, text in reasons.items() if row[key])})"
        for row in bots
        if any(row[key] for key in reasons)
    ]
    return warned(f"{len(wrong)} of {len(bots)}: {some(wrong)}") if wrong else passed(f"{len(bots)} bots")


@check(
    "integrations.connectors",
    why="Customers write to messengers and to the site's chat; a channel that is not connected loses them.",
    expected="every active channel of the open lines is connected and registered, without an error",
    remedy="Connect the channels named here again, on this portal's address.",
    blocks="some",
    owner="customer",
    reference="b_imconnectors_status",
    needs=_NEEDS,
)
def integrations_connectors(context: Context) -> Verdict:
    context.need_table("b_imconnectors_status")
    channels = context.query(
        "SELECT CONNECTOR, LINE, CONNECTION = 'Y' AND REGISTER = 'Y' AND ERROR <> 'Y' AS works"
        " FROM b_imconnectors_status WHERE ACTIVE = 'Y' ORDER BY CONNECTOR, LINE"
    )
    wrong = [f"{row['CONNECTOR']} of line {row['LINE']}" for row in channels if not row["works"]]
    return warned(f"{len(wrong)} of {len(channels)}: {some(wrong)}") if wrong else passed(f"{len(channels)} channels")


@check(
    "integrations.update_server",
    why="Updates, the licence and applications come from the vendor's server.",
    expected="the server that main.update_site names can be reached, over the proxy where one is set",
    remedy="Open port 443 to the server, or set main.update_site_proxy_addr and _port with portal_option.",
    blocks="nobody",
    owner="customer",
    reference="site checker: check_update, check_ca_file",
    needs=_NEEDS,
)
def integrations_update_server(context: Context) -> Verdict:
    site = context.option("main", "update_site")
    if not site:
        raise CannotLook("main.update_site is empty")
    proxy = context.option("main", "update_site_proxy_addr")
    port = context.option("main", "update_site_proxy_port", "3128") or "3128"
    host, number = (proxy, port) if proxy else (site, "443")
    if not number.isdigit():
        raise CannotLook(f"main.update_site_proxy_port is {number!r}")
    problem = context.reaches(host, int(number))
    return warned(f"{host}:{number} cannot be reached: {problem}") if problem else passed(f"{host}:{number} answers")


@check(
    "integrations.cloud_messaging",
    why="Messages to locked telephones go through the vendor's service; without it they arrive when the app is opened.",
    expected="where mobile push is on, the vendor's service for it can be reached",
    remedy="Open port 443 to the host named here; the service also needs an active licence.",
    blocks="some",
    owner="customer",
    reference="site checker: check_push_bitrix",
    needs=_NEEDS,
)
def integrations_cloud_messaging(context: Context) -> Verdict:
    if context.option("pull", "push", "N") != "Y":
        raise DoesNotApply("mobile push is off")
    url = context.option("pull", "push_service_url", "https://cloud-messaging.bitrix24.com/send/")
    host = urllib.parse.urlsplit(url).hostname
    if not host:
        raise CannotLook(f"pull.push_service_url is {url!r}")
    problem = context.reaches(host, 443)
    return warned(f"{host}:443 cannot be reached: {problem}") if problem else passed(f"{host}:443 answers")


@check(
    "integrations.transformer",
    why="Documents and videos are shown by a service; after five errors the portal stops asking it.",
    expected="less than five of the last half hour's commands failed",
    remedy="See that the service reaches the portal at transformer.portal_url, and the portal the service.",
    blocks="nobody",
    reference="b_transformer_command",
    needs=_NEEDS,
)
def integrations_transformer(context: Context) -> Verdict:
    context.need_table("b_transformer_command")
    errors = int(
        context.value(
            "SELECT COUNT(*) FROM b_transformer_command WHERE ERROR_CODE <> 0"
            " AND UPDATE_TIME > NOW() - INTERVAL 30 MINUTE"
        )
    )
    return warned(f"{errors} failed") if errors >= 5 else passed(f"{errors} failed")


@check(
    "integrations.dav_connections",
    why="Calendars of other services that are not brought over any more show old appointments.",
    expected="the last try of every connection was answered with success",
    remedy="Let the owners of these connections enter their passwords again.",
    blocks="nobody",
    owner="customer",
    reference="b_dav_connections",
    needs=_NEEDS,
)
def integrations_dav_connections(context: Context) -> Verdict:
    context.need_table("b_dav_connections")
    tries = context.query(
        "SELECT SERVER_HOST AS host, LAST_RESULT AS result FROM b_dav_connections"
        " WHERE COALESCE(LAST_RESULT, '') <> '' ORDER BY SERVER_HOST"
    )
    wrong = [f"{row['host']} ({row['result']})" for row in tries if "200" not in row["result"]]
    return warned(f"{len(wrong)} of {len(tries)}: {some(wrong)}") if wrong else passed(f"{len(tries)} connections")


@check(
    "integrations.extranet",
    why="Partners and customers of the company come in through a site of their own.",
    expected="extranet.extranet_site names an active site",
    remedy="Set extranet.extranet_site with portal_option to the partners' site, and activate it.",
    blocks="some",
    reference="site checker: check_extranet",
    needs=_NEEDS,
)
def integrations_extranet(context: Context) -> Verdict:
    if not context.query("SELECT ID FROM b_module WHERE ID = 'extranet'"):
        raise DoesNotApply("module extranet is not installed")
    site = context.option("extranet", "extranet_site")
    if not site:
        raise DoesNotApply("the extranet is not set up")
    active = context.query("SELECT LID FROM b_lang WHERE LID = %s AND ACTIVE = 'Y'", site)
    return passed(f"site {site}") if active else failed(f"site {site} is not there or not active")
