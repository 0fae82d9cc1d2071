# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal's own name, in every place where it lives."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.portal.site import (
    Address,
    cloud_constants,
    leftovers,
    plan,
)


@check(
    "domain.everywhere",
    why="Links in mail and notifications have no domain, or the old one, where one of these places was forgotten.",
    expected="main.server_name, every active site and the modules' own URLs name the portal's domain",
    remedy="Run boxlift.portal.portal_site with the domain; it sets every place named here.",
    reference="portal kernel: UrlManager, mail templates",
    needs=("database.reachable",),
)
def domain_everywhere(context: Context) -> Verdict:
    address = Address(context.url.netloc.lower(), https=context.url.scheme == "https")
    wrong = []
    for action in plan(context.connection, address):
        # Beside the domain there may be aliases, or no rows at all.
        if action.where.startswith("b_lang_domain") and (not action.before or address.host in action.before.split()):
            continue
        wrong.append(f"{action.where} is {action.before!r}")
    return failed(f"{len(wrong)} places: {some(wrong, 10)}") if wrong else passed(f"{address.domain} everywhere")


@check(
    "domain.cloud_constant",
    why="BX24_HOST_NAME belongs to the vendor's cloud and outranks every other setting of the domain.",
    expected="no configuration file defines BX24_HOST_NAME",
    remedy="Remove the constant with portal_settings (constants: BX24_HOST_NAME: null).",
    reference="portal kernel: BX24_HOST_NAME",
    needs=("settings.readable",),
)
def domain_cloud_constant(context: Context) -> Verdict:
    places = [left.where for left in cloud_constants(context.files)]
    return failed(f"named in {', '.join(places)}") if places else passed("not defined")


@check(
    "domain.cloud_leftovers",
    why="What still names the cloud portal sends people and integrations back to it.",
    expected="no option and no site names a portal in the vendor's cloud",
    remedy="Correct each place with portal_site or portal_option, or register the service again for the new domain.",
    needs=("database.reachable",),
)
def domain_cloud_leftovers(context: Context) -> Verdict:
    found = leftovers(context.connection)
    if found:
        return warned(f"{len(found)} places: {some([f'{left.where} ({left.value})' for left in found], 10)}")
    return passed("nothing left of the cloud")


@check(
    "domain.certificate_names",
    why="A site whose name the certificate does not have cannot be opened without a warning.",
    expected="the certificate names the domain of every active site",
    remedy="Order a certificate with all these names.",
    owner="customer",
    needs=("web.certificate", "database.reachable"),
)
def domain_certificate_names(context: Context) -> Verdict:
    shown = context.http.certificate(context.host, context.url.port or 443)
    sql = "SELECT LID, SERVER_NAME FROM b_lang WHERE ACTIVE = 'Y' AND SERVER_NAME <> ''"
    names = {row["SERVER_NAME"].partition(":")[0]: row["LID"] for row in context.query(sql)}
    if not names:
        raise CannotLook("no active site has a SERVER_NAME")
    bare = [f"{name} (site {lid})" for name, lid in names.items() if not shown.covers(name)]
    return failed(f"not in the certificate: {', '.join(bare)}") if bare else passed(", ".join(names))
