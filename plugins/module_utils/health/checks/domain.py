# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal's domain, everywhere it is stored, and what still names the cloud."""

from __future__ import annotations

import re

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
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
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import read
from ansible_collections.boxlift.portal.plugins.module_utils.portal.site import (
    Address,
    cloud_constants,
    cloud_names,
    leftovers,
    plan,
)


@check(
    "domain.everywhere",
    why="Links in mail and notifications have no domain, or the old one, where one of these places was forgotten.",
    expected="main.server_name, every active site and the modules' own URLs name the portal's domain",
    remedy="Run boxlift.portal.portal_site with the domain; it sets every place named here.",
    blocks="some",
    reference="portal kernel: UrlManager, mail templates",
    needs=("database.reachable",),
)
def domain_everywhere(context: Context) -> Verdict:
    address = Address(context.url.netloc.lower(), https=context.url.scheme == "https")
    wrong = []
    for action in plan(context.connection, address):
        # The table may also hold aliases, or nothing.
        if action.where.startswith("b_lang_domain") and (not action.before or address.host in action.before.split()):
            continue
        wrong.append(f"{action.where} is {action.before!r}")
    return failed(f"{len(wrong)} places: {some(wrong, 10)}") if wrong else passed(f"{address.domain} everywhere")


@check(
    "domain.cloud_constant",
    why="BX24_HOST_NAME belongs to the vendor's cloud and outranks every other setting of the domain.",
    expected="no configuration file defines BX24_HOST_NAME",
    remedy="Remove the constant with portal_settings (constants: BX24_HOST_NAME: null).",
    blocks="some",
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
    blocks="some",
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
    blocks="some",
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


@check(
    "domain.mail_addresses",
    why="Letters from an address of the cloud's domain are refused by the recipients' servers.",
    expected="main.email_from and the addresses of active sites are set, and not of the vendor's cloud",
    remedy="Set main.email_from to an own address (portal_mail_from, then boxlift.portal.configure), and EMAIL of the "
    "site in the administration.",
    blocks="some",
    owner="customer",
    needs=("database.reachable",),
)
def domain_mail_addresses(context: Context) -> Verdict:
    addresses = {"main.email_from": context.option("main", "email_from")}
    sites = context.query("SELECT LID, EMAIL FROM b_lang WHERE ACTIVE = 'Y' ORDER BY SORT, LID")
    # A site without an address of its own uses the portal's.
    addresses.update({f"b_lang {row['LID']}.EMAIL": str(row["EMAIL"]) for row in sites if row["EMAIL"]})
    wrong = [f"{where} is {value!r}" for where, value in addresses.items() if "@" not in value or cloud_names(value)]
    return failed("; ".join(wrong)) if wrong else passed(some(sorted(set(addresses.values()))))


@check(
    "domain.sites",
    why="The portal chooses the site by the name that was asked for; without a match it answers with none.",
    expected="one active site is the default, sites limited to domains have this one, all have one character set",
    remedy="Correct the sites in the administration, or run portal_site.",
    blocks="everybody",
    reference="site checker: check_sites",
    needs=("database.reachable",),
)
def domain_sites(context: Context) -> Verdict:
    host = context.host
    sites = context.query(
        "SELECT LID, DEF, CHARSET, DOMAIN_LIMITED AS limited FROM b_lang WHERE ACTIVE = 'Y' ORDER BY LID"
    )
    domains = context.query("SELECT LID, DOMAIN FROM b_lang_domain")
    default = [row["LID"] for row in sites if row["DEF"] == "Y"]
    wrong = [] if len(default) == 1 else [f"{len(default)} active sites are the default"]
    for site in sites:
        own = [str(row["DOMAIN"]).lower() for row in domains if row["LID"] == site["LID"]]
        if site["limited"] == "Y" and not any(f".{host}".endswith(f".{name}") for name in own):
            wrong.append(f"site {site['LID']} is limited to {', '.join(own) or 'no domain'}")
    charsets = {str(row["CHARSET"]).lower() for row in sites if row["CHARSET"]}
    if len(charsets) > 1:
        wrong.append(f"character sets {', '.join(sorted(charsets))}")
    return failed("; ".join(wrong)) if wrong else passed(f"{len(sites)} sites")


@check(
    "domain.cloud_functions",
    why="Code that was written for the cloud stops with an error where its functions are missing.",
    expected="no file in php_interface uses bx_sign or asks for the module bitrix24",
    remedy="Take the call out of the file named here, with its author.",
    blocks="some",
    needs=("settings.readable",),
)
def domain_cloud_functions(context: Context) -> Verdict:
    folders = [context.files.root / top / "php_interface" for top in ("bitrix", "local")]
    files = sorted(path for folder in folders for path in folder.glob("**/*.php") if path.is_file())
    words = re.compile(rb"\bbx_sign\s*\(|(?:IncludeModule|includeModule)\(\s*['\"]bitrix24['\"]")
    found = [f"{path} ({match.group().decode()})" for path in files for match in [words.search(read(path))] if match]
    return warned(some(found)) if found else passed(f"{len(files)} files")


@check(
    "domain.page_links",
    why="A page that names the cloud, an inner port or plain http sends people away with their first click.",
    expected="links on the first page stay on the portal's address",
    remedy="Run portal_site; behind a proxy, let nginx tell PHP that the portal is https (role boxlift.portal.web).",
    blocks="some",
    vantage=ANYWHERE,
)
def domain_page_links(context: Context) -> Verdict:
    said = stopped(context)
    if said:
        return failed(f"the first page has no links, it says: {said}", remedy(said))
    own = re.compile(rf"(https?)://{re.escape(context.host)}(:\d+)?(?=[/\"'<\s])", re.IGNORECASE)
    wanted = (context.url.scheme, f":{context.url.port}" if context.url.port else "")
    wrong = []
    for path in ("/", "/auth/"):
        body = context.http.request(context.address(path)).body.decode("utf-8", "replace")
        wrong += [f"{path} names {name}" for name in cloud_names(body)]
        links = {
            match.group(0) for match in own.finditer(body) if (match.group(1).lower(), match.group(2) or "") != wanted
        }
        wrong += [f"{path} links to {link}" for link in sorted(links)]
    return failed(some(wrong)) if wrong else passed("all on the portal's address")


@check(
    "domain.landing_sites",
    why="Sites and shops that were published under the cloud's domain are not there any more.",
    expected="no active site of the module landing is published under the vendor's domain",
    remedy="Give these sites domains of the company's own, or delete them.",
    blocks="some",
    owner="customer",
    needs=("database.reachable",),
)
def domain_landing_sites(context: Context) -> Verdict:
    context.need_table("b_landing_domain")
    names = [str(row["DOMAIN"]) for row in context.query("SELECT DOMAIN FROM b_landing_domain WHERE ACTIVE = 'Y'")]
    if not names:
        raise DoesNotApply("no site is published")
    away = sorted(name for name in names if cloud_names(name) or name.endswith((".bitrix24.site", ".bitrix24.shop")))
    return warned(some(away)) if away else passed(f"{len(names)} domains")
