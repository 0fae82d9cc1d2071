# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory sets for one host: a finding for each variable, and the module's options that follow from it."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils import gluster
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement import uses
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding

PORTS = {
    "web": {80: "nginx", 443: "nginx"},
    "database": {3306: "mariadbd"},
    "telephony": {5038: "asterisk"},
}
#: Where other hosts reach the service. systemd opens these ports and hands them over.
LINKS, LINK_HOLDERS = {"database": 3307, "cache": 6380}, ["systemd", "stunnel4"]
#: Where three cache hosts are reached, without the link. The programs' names are as long as the kernel keeps them.
CACHE_PORTS, CACHE_HOLDERS = (6380, 6381, 26379), ["redis-server", "redis-sentinel"]
MEMORY_MB = 1800
#: What role storage can mount.
NFS, GLUSTERFS = "nfs", "glusterfs"
STORAGE_KINDS = ("path", NFS, GLUSTERFS)
WEB = "web"  # the group of entitlements and licence files that name none
SOURCE_PATH, DOCUMENT_ROOT, DATABASE_DIRECTORY = "/var/lib/boxlift/backup", "/srv/portal/www", "/var/lib/mysql"

_NAME = r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?[.])+[A-Za-z0-9-]*[A-Za-z][A-Za-z0-9-]*$"
_TYPED_FROM_PAPER = r"[!-~][ -~]{18,}[!-~]$"
_NO_SPACE_AT_ENDS = r"\S(.*\S)?$"
# What says how a host is reached. ansible-core templates it with the names of the host that delegates.
_CONNECTION = re.compile(r"ansible_(ssh_)?(host|port|user|.*_args|.*key_file)$|ansible_connection$")
_EXPORT = r"(?!-)[^\s:/]+:/\S*$|(?!-)\[[0-9a-fA-F:.]+\]:/\S*$"
_WEBHOOK = r"https://[^/\s]+/rest/[0-9]+/[^/\s]+/$"
# No loopback address: other hosts must reach it.
_ADDRESS = r"(?!127[.])[0-9]{1,3}([.][0-9]{1,3}){3}"


@dataclasses.dataclass(frozen=True)
class Hosts:
    """Which host does what. A host is for what its groups say; a group that does not exist has all of production."""

    name: str
    groups: t.Mapping[str, t.Sequence[str]]

    def serves(self, group: str) -> bool:
        """Whether this host is one of the group."""
        return group not in self.groups or self.name in self.groups[group]

    @property
    def is_exchange(self) -> bool:
        """Whether telephone calls go through this host. A site may go without such a group."""
        return self.name in self.groups.get("telephony", ())

    def of(self, group: str) -> list[str]:
        """Production's hosts of the group."""
        production = self.groups["production"]
        return sorted(set(self.groups.get(group, production)) & set(production))

    def apart_from_web(self, group: str) -> bool:
        """Whether a web host has its database or cache on another host of the site, which may go without either."""
        return bool(self.of(group)) and not set(self.of("web")) <= set(self.of(group))

    @property
    def replicates(self) -> bool:
        """Whether the database has several hosts, none of which is a web host."""
        database = set(self.of("database"))
        return len(database) > 1 and not database & set(self.of("web"))

    @property
    def several_caches(self) -> bool:
        """Whether a Sentinel says which of several cache hosts is the master."""
        return "cache" in self.groups and len(self.of("cache")) > 1


class Variables(t.Protocol):
    """The inventory's variables for one host, and the controller's files that they name."""

    def get(self, name: str) -> t.Any:
        """The variable's value; None where it is not set."""

    def raw(self) -> t.Mapping[str, t.Any]:
        """Every variable of the inventory as it is written there, templates included."""

    def is_file(self, path: str) -> bool: ...

    def read(self, path: str) -> str: ...


@dataclasses.dataclass(frozen=True)
class Input:
    """A variable that the site sets. A `secret` is never shown; a `file` lies on the controller."""

    name: str
    expected: str
    pattern: str = ""
    required: bool = False
    secret: bool = False
    file: bool = False


@dataclasses.dataclass(frozen=True)
class Inventory:
    """What was found in the inventory, for one host.

    `certificate` is `provable` by the role certificate here, `unprovable` where its key lies on the host or a variable
    is wrong, `requested` where there is none yet, and `none` where this host needs none that was given.
    """

    findings: list[Finding]
    certificate: str
    options: dict[str, t.Any]


def inspect(variables: Variables, hosts: Hosts) -> Inventory:
    """Judge every variable, and derive what the module is asked on this host."""
    findings = [_judge(each, variables) for each in inputs(variables, hosts)]
    findings += [_enough_hosts(hosts), *_web_hosts(variables, hosts), *_enough_caches(hosts)]
    findings += [_reached_from_others(variables, hosts)]
    findings += [_entitlements(variables, hosts), _licence_files(variables, hosts), _crm(variables)]
    findings += [_copies(variables, hosts), *_replication(variables, hosts)]
    if hosts.is_exchange:
        findings += [_webhook(variables), _packages(variables)]
    wrong = {finding.id.partition(".")[2] for finding in findings if finding.status == "fail"}
    return Inventory(findings, _certificate(variables, hosts, wrong), _options(variables, hosts, wrong))


def inputs(variables: Variables, hosts: Hosts) -> list[Input]:
    """The variables that this site must or may set, in the order of the findings."""
    web, database, cache = (", ".join(hosts.of(group)) for group in ("web", "database", "cache"))
    database_apart, several_caches = hosts.apart_from_web("database"), hosts.several_caches
    cache_apart = hosts.apart_from_web("cache") and not several_caches
    source = variables.get("certificate_source") or "files"
    return [
        Input(
            "site_domain",
            "the portal's host name alone, such as portal.example.com, without https:// and slashes",
            _NAME,
            required=True,
        ),
        _password("site_database_password", "the password of the portal's database user", required=True),
        Input(
            "site_database_host",
            f"the IPv4 address of the database host ({database}) in the network that it shares"
            f" with the web host ({web}); not needed where one host is both",
            f"{'' if database_apart else 'localhost$|'}{_ADDRESS}$",
            required=database_apart and not hosts.replicates,
        ),
        _password("site_database_restore_password", "the password of the account that restores", database_apart),
        *_of_replicas(hosts),
        # A database that somebody else runs.
        Input(
            "portal_database_host",
            "the name or address of the database, where no host of production is in the group database",
            required=not database,
        ),
        Input(
            "restore_database",
            "how a restore reaches the database, where no host of production is in the group database",
            required=not database,
            secret=True,
        ),
        Input(
            "site_cache_host",
            f"the IPv4 address of the cache host ({cache}) in the network that it shares with"
            f" the web host ({web}); not needed where one host is both",
            f"{_ADDRESS}$",
            required=cache_apart,
        ),
        _password("site_cache_password", "the password of Redis", required=False),
        Input(
            "site_cache_cluster_password",
            "at least 24 letters and digits, by which the cache's hosts prove themselves to each other",
            r"[A-Za-z0-9]{24,}$",
            required=several_caches,
            secret=True,
        ),
        Input(
            "source_url",
            "the https address of the backup's first part; or nothing, when the parts lie in source_path on the host",
            r"https://[^/\s]+/\S+$",
            secret=True,
        ),
        Input(
            "source_path",
            "the absolute path of the folder on the host that the backup's parts lie in or are fetched to",
            "/.+",
        ),
        _password("source_password", "the backup's password", required=False),
        _file("source_ca_path", "the authorities for source_url in PEM"),
        Input("database_name", "at most 64 letters, digits and underscores", "[A-Za-z0-9_]{1,64}$"),
        Input(
            "web_document_root", "an absolute path with a parent folder in which the tree can be staged", "/[^/]+/.+"
        ),
        Input("certificate_source", "files, csr, acme or lab_ca", "(files|csr|acme|lab_ca)$"),
        Input(
            "certificate_acme_terms_agreed",
            "true, when the site's owner has agreed to the terms of the ACME authority",
            "(?i)true$",
            required=source == "acme",
        ),
        _file("certificate_file", "the host's certificate in PEM", required=source == "files"),
        _file("certificate_key_file", "the certificate's key in PEM, or nothing where certificate_source csr made it"),
        _file("certificate_chain_file", "the issuers' certificates in PEM"),
        _file("certificate_ca_file", "a private authority's certificate in PEM", required=source == "lab_ca"),
        _file("certificate_ca_key_file", "the key of certificate_ca_file", required=source == "lab_ca"),
        Input(
            "site_backup_password",
            "the password of the portal's copies: 20 printable ASCII characters at least, and no space at its ends",
            _TYPED_FROM_PAPER,
            secret=True,
        ),
        Input("site_customer_class", "vip or regular: how often somebody visits after the opening", "(vip|regular)$"),
        Input(
            "site_opened",
            "the day on which the portal was opened, such as 2026-12-06, where no journal of the move says it",
            r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$",
        ),
        _crm_webhook("cloud"),
        _crm_webhook("box"),
        *([] if not hosts.is_exchange else _of_an_exchange(variables)),
    ]


def _of_replicas(hosts: Hosts) -> list[Input]:
    """Only where there are several database hosts: each follows the primary by an account of its own."""
    if not hosts.replicates:
        return []
    return [_password("site_database_replication_password", "the password of the account that replicates", True)]


def _crm_webhook(which: str) -> Input:
    expected = f"the address of an incoming webhook of the {which}, https://…/rest/USER/CODE/; or nothing"
    return Input(f"site_crm_{which}_webhook", expected, _WEBHOOK, secret=True)


def _of_an_exchange(variables: Variables) -> list[Input]:
    return [
        _password("telephony_ami_events_password", "the password of the exchange's user that hears calls", True),
        Input(
            "site_telephony_webhook",
            "the address of an incoming webhook of the portal, https://…/rest/USER/CODE/",
            _WEBHOOK,
            secret=True,
        ),
        Input(
            "site_telephony_fallback_user",
            "the number in the address of somebody's profile in the portal, who is told calls that nobody took",
            "[1-9][0-9]*$",
            required=bool(variables.get("site_telephony_webhook")),
        ),
    ]


def _password(name: str, of_what: str, required: bool) -> Input:
    return Input(name, f"{of_what}, without a space at its ends", _NO_SPACE_AT_ENDS, required=required, secret=True)


def _file(name: str, content: str, required: bool = False) -> Input:
    return Input(name, f"a file on the controller with {content}", required=required, file=True)


def _judge(each: Input, variables: Variables) -> Finding:
    value = str(variables.get(each.name) or "")
    seen = f"{each.name} is wrong (not shown)" if each.secret else f"{each.name} is '{value}'"
    problem = ""
    if not value:
        problem = f"{each.name} is not set" if each.required else ""
    elif not re.match(each.pattern, value):
        problem = seen
    elif each.file and not variables.is_file(value):
        problem = f"{seen}, and there is no such file"
    place = "vault.yml of the inventory, encrypted with ansible-vault." if each.secret else "main.yml of the inventory."
    return Finding(
        id=f"inventory.{each.name}",
        area="inventory",
        status="fail" if problem else "pass",
        observed=problem or f"{each.name} is good or not needed",
        expected=each.expected,
        remedy=f"Set or correct {each.name} in group_vars/all/{place}" if problem else "",
    )


def _webhook(variables: Variables) -> Finding:
    """It is made in the portal, which the first restore brings."""
    given = bool(variables.get("site_telephony_webhook"))
    return Finding(
        id="inventory.telephony",
        area="inventory",
        status="pass" if given else "warn",
        observed="the portal can be told of calls"
        if given
        else "site_telephony_webhook is not set, so rehearse and migrate leave the telephony out",
        expected="a webhook that tells the portal of calls, made in the restored portal",
        remedy=""
        if given
        else "After the first restore make an incoming webhook with the rights telephony, crm and user, set it in"
        " group_vars/all/vault.yml, and run the playbook telephony.",
    )


def _crm(variables: Variables) -> Finding:
    """Whether what arrives in the cloud after the backup is carried over; an empty webhook says that it need not be."""
    cloud, box = (variables.get(f"site_crm_{which}_webhook") for which in ("cloud", "box"))
    status, remedy = "pass", ""
    if cloud and box:
        seen = "what the CRM in the cloud goes on collecting can be carried over"
    elif cloud:
        status, seen = "warn", "site_crm_box_webhook is not set, so nothing is carried over yet"
        remedy = (
            "After the first restore make an incoming webhook in the box as its administrator, and set it in"
            " group_vars/all/vault.yml (docs/crm.md)."
        )
    elif cloud is None:
        status, seen = "warn", "site_crm_cloud_webhook is not set, so what arrives after the backup stays in the cloud"
        remedy = (
            "Make an incoming webhook in the cloud's portal as its administrator, and set it in"
            ' group_vars/all/vault.yml (docs/crm.md); "" if the CRM is not used.'
        )
    else:
        seen = "site_crm_cloud_webhook is empty: nothing is to be carried over"
    expected = "webhooks of both portals, by which the CRM's difference is carried over"
    return Finding("inventory.crm", "inventory", status, seen, expected, remedy, "customer" if remedy else "contractor")


def _copies(variables: Variables, hosts: Hosts) -> Finding:
    """Whether the new portal is copied every night, to a place that does not end with its host."""
    others = sorted(set(hosts.groups.get("backup_repository", ())) - set(hosts.of("web")))
    status, owner = "warn", "contractor"
    if variables.get("site_backup_password") == "":
        status, seen, remedy = "pass", "site_backup_password is empty: somebody else makes copies of the portal", ""
    elif not variables.get("site_backup_password"):
        seen = "site_backup_password is not set, so no copies of the new portal are made"
        remedy = (
            "Set site_backup_password in group_vars/all/vault.yml, and run the playbook backup_nightly"
            ' (docs/backup.md); "" if somebody else makes copies.'
        )
    elif len(others) > 1:
        status, seen = "fail", f"the group backup_repository has several hosts: {', '.join(others)}"
        remedy = "Leave one of them, and name another place as backup_offsite_repository."
    elif not others and not variables.get("backup_offsite_repository") and not variables.get("backup_mount"):
        seen = "the portal's copies lie on its own host, and are lost with it"
        remedy = "Name another host in the group backup_repository, or set backup_offsite_repository (docs/backup.md)."
        owner = "customer"
    else:
        status, seen, remedy = "pass", "copies of the new portal go to a place that does not end with its host", ""
    expected = "copies every night, in a place of their own, with a password that is kept outside of the site, too"
    return Finding("inventory.backup", "inventory", status, seen, expected, remedy, owner)


def _packages(variables: Variables) -> Finding:
    """Debian 12 and 13 have no Asterisk, so the site brings it, or has it."""
    files = [str(path) for path in variables.get("telephony_package_files") or []]
    absent = [path for path in files if not variables.is_file(path)]
    return Finding(
        id="inventory.telephony_package_files",
        area="inventory",
        status="fail" if absent else "pass",
        observed=f"telephony_package_files names {', '.join(absent)}, and there is no such file"
        if absent
        else f"telephony_package_files names {len(files)} files, and each is here",
        expected="packages of Asterisk that lie on the controller, or none where the host has or gets it otherwise",
        remedy="Bring the packages, or correct the paths in group_vars." if absent else "",
    )


def _entitlements(variables: Variables, hosts: Hosts) -> Finding:
    """What the site uses and needs licences for; only the site can say it."""
    told = variables.get("site_entitlements")
    remedy = (
        "Set site_entitlements in group_vars/all/main.yml: a list with feature, title and owner of each; [] if the site"
        " uses nothing that needs a licence."
    )
    status, seen = "pass", "site_entitlements says which features need a licence"
    problem = _misshapen(told, hosts, "feature")
    if told is None:
        status, seen = "warn", "site_entitlements is not set, so nobody can say whether the licences cover what is used"
    elif problem:
        status, seen = "fail", f"site_entitlements {problem}"
    else:
        try:
            uses.declared(told)
        except BoxliftError as error:
            status, seen, remedy = "fail", error.message.rstrip("."), error.remedy
    expected = "the features that need a licence, each with an id"
    remedy = "" if status == "pass" else remedy
    return Finding("inventory.site_entitlements", "inventory", status, seen, expected, remedy)


def _licence_files(variables: Variables, hosts: Hosts) -> Finding:
    """Those that lie on the controller; a licence may come later than the hosts, so that none refuses."""
    told = variables.get("site_licence_files") or []
    needed = [each for each in variables.get("site_entitlements") or [] if isinstance(each, dict)]
    problem = _misshapen(told, hosts, "path")
    absent = [] if problem else [str(each["path"]) for each in told if each.get("controller")]
    absent = [path for path in absent if not os.path.exists(os.path.expanduser(path)) and not variables.is_file(path)]
    status, seen = "pass", f"site_licence_files names {len(told)} files, and no licence is missing here"
    if problem:
        status, seen = "fail", f"site_licence_files {problem}"
    elif absent:
        status, seen = "warn", f"site_licence_files names {', '.join(absent)}, and there is no such file"
    elif needed and not told:
        status, seen = "warn", "site_entitlements names features, and site_licence_files no file"
    return Finding(
        "inventory.site_licence_files",
        "inventory",
        status,
        seen,
        "the licence files of what site_entitlements names, each with its path and how it is read",
        "Have the licences sent, put them there, and name them in group_vars/all/main.yml." if status != "pass" else "",
        "contractor" if problem else "sales",
    )


def _misshapen(told: t.Any, hosts: Hosts, field: str) -> str:
    """What is wrong with a list whose entries have this field and perhaps a group; nothing if it is not set."""
    if told is None:
        return ""
    if not isinstance(told, list) or not all(isinstance(each, dict) and each.get(field) for each in told):
        return f"is no list of entries with {field}"
    groups = {str(each.get("group") or WEB) for each in told}
    empty = sorted(group for group in groups if not _members(hosts, group))
    return f"names the group {', '.join(empty)}, which has no host of production" if empty else ""


def _members(hosts: Hosts, group: str) -> set[str]:
    """Production's hosts of a group that an entry names."""
    return set(hosts.of(group)) if group == WEB else set(hosts.groups.get(group, ())) & set(hosts.groups["production"])


def _enough_hosts(hosts: Hosts) -> Finding:
    """A web host, and one database host, or one that somebody else runs."""
    web, database = hosts.of("web"), hosts.of("database")
    both = sorted(set(web) & set(database)) if len(database) > 1 else []
    remedies = ["Put a host of production into the group web of the inventory."] * (not web)
    remedies += ["Leave one host of production in the group database of the inventory, or name two or three."] * (
        bool(both) or len(database) > 3
    )
    return Finding(
        id="inventory.hosts",
        area="inventory",
        status="fail" if remedies else "pass",
        observed=f"production has {len(web)} web hosts ({', '.join(web) or 'none'}) and"
        f" {len(database)} database hosts ({', '.join(database) or 'none'})",
        expected="a web host, and one database host, which may be the same; or two or three that are none",
        remedy=" ".join(remedies),
    )


def _web_hosts(variables: Variables, hosts: Hosts) -> list[Finding]:
    """What several web hosts of one portal need; nothing is said where there is one."""
    web = hosts.of("web")
    if len(web) < 2:
        return []
    production, lead = set(hosts.groups["production"]), list(hosts.groups.get("web_lead", ()))
    kind, lacks = str(variables.get("storage_kind") or ""), {}
    if not production & set(hosts.groups.get("balancer", ())):
        lacks["no host in the group balancer"] = "Name one or two hosts of production in the group balancer."
    if kind not in STORAGE_KINDS:
        lacks["no storage that they share"] = (
            f"Set storage_kind in group_vars/all/main.yml to {', '.join(STORAGE_KINDS[:-1])} or {STORAGE_KINDS[-1]}"
            " (docs/scale-web.md)."
        )
    if kind == NFS and not re.match(_EXPORT, str(variables.get("storage_source") or "")):
        lacks["no storage_source"] = "Set storage_source to server:/export of the NFS server."
    keepers = sorted(production & set(hosts.groups.get("storage", ())))
    if kind == GLUSTERFS and len(keepers) != gluster.HOSTS:
        lacks[f"{len(keepers)} hosts in the group storage"] = (
            f"Name {gluster.HOSTS} hosts of production in the group storage: of two, neither knows which is cut off."
        )
    if variables.get("portal_cache_host") == "" or not (hosts.of("cache") or variables.get("portal_cache_host")):
        lacks["no Redis, so each host would have sessions of its own"] = (
            "Name a host in the group cache, or one that somebody else runs in portal_cache_host."
        )
    if len(lead) > 1 or not set(lead) <= set(web):
        lacks[f"{', '.join(lead)} in the group web_lead"] = "Leave one of the web hosts there, or remove the group."
    seen = f"production has {len(web)} web hosts ({', '.join(web)})"
    return [
        Finding(
            id="inventory.web_hosts",
            area="inventory",
            status="fail" if lacks else "pass",
            observed=f"{seen} and {', and '.join(lacks)}" if lacks else f"{seen}, and what several of them need",
            expected="with several web hosts: a balancer, a storage that they share, sessions in Redis",
            remedy=" ".join(lacks.values()) + " Or leave one host of production in the group web." if lacks else "",
        ),
        *([_one_share(kind, variables)] if kind in STORAGE_KINDS else []),
    ]


def _one_share(kind: str, variables: Variables) -> Finding:
    """One server that holds the files ends the portal when it dies: the site shall know it before."""
    source = str(variables.get("storage_source") or "")
    return Finding(
        id="inventory.storage",
        area="inventory",
        status="warn" if kind == NFS else "pass",
        observed={
            NFS: f"uploads lie on {source}: the portal stands still while this server does",
            GLUSTERFS: "three hosts keep the uploads, and two of them are enough",
        }.get(kind, "the site brings the storage, and knows how it survives a host"),
        expected="a storage that survives one of its hosts",
        remedy="Have the server made redundant by whoever runs it, or agree with the customer that it is not."
        if kind == NFS
        else "",
        owner="customer",
    )


def _replication(variables: Variables, hosts: Hosts) -> list[Finding]:
    """What a site with several database hosts still lacks; nothing where it has one."""
    database = hosts.of("database")
    if not hosts.replicates:
        return []
    waits = bool(variables.get("database_semi_synchronous"))
    seen = "a commit waits for a replica" if waits else "replicas follow a moment behind"
    return [
        Finding(
            id="inventory.replication",
            area="inventory",
            status="pass" if waits else "warn",
            observed=f"{', '.join(database)} replicate, and {seen}",
            expected="nothing that the portal has confirmed is lost with the primary's host",
            remedy=""
            if waits
            else "Set database_semi_synchronous: true; or accept that the last moment before a failure can be lost,"
            " and set it to false in knowledge of that (docs/scale-database.md).",
            owner="customer",
        )
    ]


def _enough_caches(hosts: Hosts) -> list[Finding]:
    """A majority elects the master, and of two hosts that is both. Nothing where one host is the cache."""
    caches = hosts.of("cache")
    if not hosts.several_caches:
        return []
    wrong = len(caches) != 3
    return [
        Finding(
            id="inventory.cache_hosts",
            area="inventory",
            status="fail" if wrong else "pass",
            observed=f"production has {len(caches)} cache hosts ({', '.join(caches)})",
            expected="one cache host, or three",
            remedy="Leave one host of production in the group cache of the inventory, or name three. A majority elects"
            " the master; of two hosts that is both, so that the death of either would stop the other."
            if wrong
            else "",
        )
    ]


def _reached_from_others(variables: Variables, hosts: Hosts) -> Finding:
    """A task that the copy delegates here is led by this host's variables, but with the copy's own name in them."""
    templates = sorted(
        name
        for name, value in variables.raw().items()
        if _CONNECTION.match(name) and isinstance(value, str) and re.search(r"\binventory_hostname\b", value)
    )
    wrong = templates if hosts.groups.get("preproduction") else []
    return Finding(
        id="inventory.connection",
        area="inventory",
        status="fail" if wrong else "pass",
        observed=f"{', '.join(wrong)} of {hosts.name} is a template over inventory_hostname, which leads a task of the"
        " pre-production host for this host to the wrong machine"
        if wrong
        else f"{hosts.name} is reached by its own address from tasks of other hosts too",
        expected="a connection that does not depend on inventory_hostname, where there is a pre-production host",
        remedy=f"Write {', '.join(wrong)} for {hosts.name} in the inventory's hosts.yml as it is, such as"
        " ansible_host: 192.0.2.10."
        if wrong
        else "",
    )


def _certificate(variables: Variables, hosts: Hosts, wrong: t.Collection[str]) -> str:
    source = variables.get("certificate_source") or "files"
    if hosts.serves("web") and source == "files" and not any(name.startswith("certificate_") for name in wrong):
        return "provable" if variables.get("certificate_key_file") and "site_domain" not in wrong else "unprovable"
    return "requested" if source == "csr" else "none"


def _options(variables: Variables, hosts: Hosts, wrong: t.Collection[str]) -> dict[str, t.Any]:
    """The module's options. What a wrong variable would say is left empty, since it is refused already."""

    def good(name: str) -> t.Any:
        return "" if name in wrong else variables.get(name) or ""

    def content(name: str) -> str:
        path = good(name)
        return variables.read(str(path)) if path else ""

    web, several_caches = hosts.serves("web"), hosts.several_caches
    portals_authority = str(variables.get("crm_ca_file") or variables.get("site_ca_path") or "")
    there = bool(portals_authority) and variables.is_file(portals_authority)
    authority = variables.read(portals_authority) if there else ""
    licences = variables.get("site_licence_files") if "site_licence_files" not in wrong else []
    memory_mb = variables.get("preflight_memory_mb")
    return {
        "source_url": good("source_url") if web else "",
        "source_path": (variables.get("source_path") or SOURCE_PATH) if web else "",
        "source_headers": variables.get("source_headers") or {},
        "source_ca": content("source_ca_path"),
        # The role certificate makes the hosts trust it.
        "further_ca": content("certificate_ca_file"),
        "source_password_given": bool(variables.get("source_password")),
        "document_root": (variables.get("web_document_root") or DOCUMENT_ROOT) if web else "",
        "database_directory": DATABASE_DIRECTORY if hosts.serves("database") else "",
        "sizes": variables.get("preflight_sizes") or {},
        "memory_mb": MEMORY_MB if memory_mb is None else memory_mb,
        "ports": [
            {"port": port, "holders": [holder]}
            for group, ports in PORTS.items()
            if (hosts.is_exchange if group == "telephony" else hosts.serves(group))
            for port, holder in ports.items()
        ]
        + [
            {"port": port, "holders": LINK_HOLDERS}
            for group, port in LINKS.items()
            if hosts.serves(group) and hosts.apart_from_web(group) and not (group == "cache" and several_caches)
        ]
        + [
            {"port": port, "holders": CACHE_HOLDERS} for port in CACHE_PORTS if several_caches and hosts.serves("cache")
        ],
        "domain": good("site_domain") if web else "",
        "licence_files": [
            str(each["path"])
            for each in licences or []
            if not each.get("controller") and hosts.name in _members(hosts, str(each.get("group") or WEB))
        ],
        "crm_cloud_webhook": good("site_crm_cloud_webhook") if web else "",
        "crm_box_webhook": good("site_crm_box_webhook") if web else "",
        "crm_ca": authority if web and variables.get("site_crm_cloud_webhook") else "",
        "crm_proxy": (variables.get("crm_proxy") or "") if web else "",
        "expected_addresses": variables.get("preflight_expected_addresses") or [],
    }
