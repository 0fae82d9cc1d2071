# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may speak to whom: the inventory's groups → what the firewall of one host lets in."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
EVERYONE: tuple[Network, ...] = ()


class Opening(t.NamedTuple):
    """Packets that come in."""

    protocol: str  # tcp or udp; vrrp, which has no ports
    ports: str  # one, or first-last
    sources: tuple[Network, ...]  # EVERYONE where empty
    reason: str


class Host(t.NamedTuple):
    """A host as the inventory has it."""

    name: str
    groups: frozenset[str]
    variables: t.Mapping[str, t.Any]


class Service(t.NamedTuple):
    """What the hosts of a group offer to the hosts of others."""

    group: str
    ports: t.Callable[[t.Mapping[str, t.Any]], str]  # none where it is not offered
    clients: frozenset[str]
    text: str


def _processes(first: int, variable: str, default: int) -> t.Callable[[t.Mapping[str, t.Any]], str]:
    def ports(variables: t.Mapping[str, t.Any]) -> str:
        number = int(variables.get(variable, default))
        return str(first) if number == 1 else f"{first}-{first + number - 1}"

    return ports


def _gluster(ports: str) -> t.Callable[[t.Mapping[str, t.Any]], str]:
    return lambda variables: ports if variables.get("storage_kind") == "glusterfs" else ""


#: Each role listens so (its defaults). Clients on the same host come over the loopback interface.
SERVICES = (
    Service("database", lambda _variables: "3307", frozenset({"web"}), "link to the database"),
    # Replicas follow their primary through the link, and copy it by the second port.
    Service("database", lambda _variables: "3307-3308", frozenset({"database"}), "link of the replication"),
    Service(
        "database", lambda of: "3309" if of.get("site_backup_password") else "", frozenset({"web"}), "link of copies"
    ),
    Service("cache", lambda _variables: "6380", frozenset({"web", "push"}), "link to the cache"),
    Service("storage", _gluster("24007"), frozenset({"storage", "web"}), "GlusterFS"),
    # Where role gluster has each host offer what it keeps.
    Service("storage", _gluster("49152-49215"), frozenset({"storage", "web"}), "files of GlusterFS"),
    Service("search", lambda _variables: "9306", frozenset({"web"}), "search engine"),
    Service("push", _processes(8010, "push_server_subscribers", 6), frozenset({"web"}), "push server, subscribers"),
    Service("push", _processes(9010, "push_server_publishers", 2), frozenset({"web"}), "push server, publishers"),
)
#: Three hosts of the cache listen so, instead of the link.
CACHE = "cache"
CACHE_SERVICES = (
    Service(CACHE, lambda _variables: "6380", frozenset({"web", "push", CACHE}), "sessions and push messages"),
    Service(CACHE, lambda _variables: "6381", frozenset({"web", CACHE}), "cache"),
    Service(CACHE, lambda _variables: "26379", frozenset({"web", CACHE}), "Sentinel"),
)
PUBLIC = {"web": ("80", "443"), "balancer": ("80", "443")}
BALANCER, VRRP = "balancer", "vrrp"
#: Where a balancer says how it is (role balancer).
_BALANCER_STATUS = "8405"
TELEPHONY = "telephony"
REPOSITORY = "backup_repository"
MONITORING = "monitoring"
HEARTBEAT = "heartbeat"
#: Role monitoring's defaults.
_SCRAPED, _STATUS_PAGE = 9443, 9444
#: Role telephony's defaults. Phones in these networks, and carriers, may speak without TLS.
_LOCAL_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


def openings(
    hosts: t.Sequence[Host], name: str, ssh_port: int, administrators: t.Any, further: t.Sequence[t.Any]
) -> list[Opening]:
    """What the host of this name lets in, SSH first. Raises BoxliftError where the inventory does not say enough.

    Peers are those of the same site: the hosts of group production. `administrators` are networks, and `further` is
    what role hardening is given as hardening_open.
    """
    own = next(host for host in hosts if host.name == name)
    others = [host for host in hosts if host.name != name]
    site = [host for host in others if "production" in host.groups]
    copies = [host for host in others if "preproduction" in host.groups]
    backed_up = [host for host in site if "web" in host.groups] if REPOSITORY in own.groups else []
    # Of several web hosts, each may be the lead that the others have their code from.
    balancers = [host for host in site if BALANCER in host.groups]
    behind = {"web", "production"} <= own.groups and bool(balancers or BALANCER in own.groups)
    followers = [host for host in site if "web" in host.groups] if behind else []
    found = [_ssh(networks(administrators, "site_admin_addresses"), copies, backed_up, followers, ssh_port)]
    if balancers and {"production", "web"} <= own.groups and BALANCER not in own.groups:
        found += _behind(balancers, [host for host in site if "web" in host.groups])
    else:
        ports = sorted({port for group, ports in PUBLIC.items() if group in own.groups for port in ports}, reverse=True)
        found += [Opening("tcp", port, EVERYONE, "the portal, for everyone") for port in ports]
    if {"production", BALANCER} <= own.groups:
        found += _balancer(balancers, [host for host in site if host.groups & {BALANCER, "web"}])
    # A copy's database or cache has no others beside it; production's are none of its.
    of_site = "production" in own.groups
    several_caches = of_site and CACHE in own.groups and sum(CACHE in host.groups for host in site) > 1
    for service in (
        (*(each for each in SERVICES if each.group != CACHE), *CACHE_SERVICES) if several_caches else SERVICES
    ):
        if service.group not in own.groups or (service.group in service.clients and not of_site):
            continue
        sources = [network for host in site if host.groups & service.clients for network in addresses_of(host)]
        offered = service.ports(own.variables)
        if sources and offered:
            reason = f"{service.text}, for {' and '.join(sorted(service.clients))}"
            found.append(Opening("tcp", offered, _sorted(sources), reason))
    if TELEPHONY in own.groups:
        found += _telephony(own.variables)
    found += [*_monitoring(own, others), *_status_page(own)]
    return found + [_further(each) for each in further]


def _behind(balancers: t.Sequence[Host], webs: t.Sequence[Host]) -> list[Opening]:
    """A web host behind balancers. Other web hosts ask it how it is."""
    near = _sorted(network for host in balancers for network in addresses_of(host))
    all_near = _sorted([*near, *(network for host in webs for network in addresses_of(host))])
    return [
        Opening("tcp", "80", near, "answers to authorities of certificates, for balancers"),
        Opening("tcp", "443", all_near, "the portal, for balancers; health, for web hosts"),
    ]


def _balancer(peers: t.Sequence[Host], askers: t.Sequence[Host]) -> list[Opening]:
    found = []
    if askers:
        sources = _sorted(network for host in askers for network in addresses_of(host))
        found.append(Opening("tcp", _BALANCER_STATUS, sources, "how this balancer is, for balancers and web hosts"))
    if peers:
        sources = _sorted(network for host in peers for network in addresses_of(host))
        found.append(Opening(VRRP, "", sources, "who has the portal's address, for the other balancer"))
    return found


def addresses_of(host: Host) -> list[Network]:
    """The addresses that other hosts see this one come from. Raises BoxliftError where it has only a name."""
    one = host.variables.get("site_address") or host.variables.get("ansible_host", host.name)
    given = host.variables.get("site_addresses") or [one]
    try:
        return [ipaddress.ip_network(str(address)) for address in given]
    except ValueError as error:
        raise BoxliftError(
            f"{host.name} has no address in the inventory that a firewall could let in: {error}.",
            f"Set site_addresses for {host.name}: a list of the addresses that the other hosts see it come from.",
        ) from error


def networks(given: t.Any, option: str) -> tuple[Network, ...]:
    """A list of addresses and networks, sorted, none twice. Raises BoxliftError where one is none."""
    if isinstance(given, str) or not isinstance(given, t.Sequence):
        raise BoxliftError(f"{option} is no list.", f"Write it so: {option}: [192.0.2.0/24, 2001:db8::/32]")
    try:
        return _sorted(ipaddress.ip_network(str(each)) for each in given)
    except ValueError as error:
        raise BoxliftError(f"{option}: {error}.", "Write addresses, or networks such as 192.0.2.0/24.") from error


def prove_access(ssh: Opening, name: str, address: str) -> None:
    """Raises BoxliftError where whoever comes from this address would not get in over SSH any more."""
    given = ipaddress.ip_address(address)
    given = getattr(given, "ipv4_mapped", None) or given
    if ssh.sources and not any(given in network for network in ssh.sources):
        raise BoxliftError(
            f"Ansible comes to {name} from {given}, and site_admin_addresses lets in "
            f"{', '.join(map(str, ssh.sources))}: it would lock itself out.",
            f"Add {given}, or its network, to site_admin_addresses. Nothing was changed.",
        )


def _ssh(
    administrators: tuple[Network, ...],
    copies: t.Sequence[Host],
    backed_up: t.Sequence[Host],
    followers: t.Sequence[Host],
    port: int,
) -> Opening:
    if not administrators:
        return Opening("tcp", str(port), EVERYONE, "SSH, for everyone: site_admin_addresses is empty")
    # The copy reads the portal's files and database over SSH; the portal's host brings its backups by SSH.
    peers = (*copies, *backed_up, *followers)
    sources = [*administrators, *(network for host in peers for network in addresses_of(host))]
    whom = "administrators, pre-production and the portal" if backed_up else "administrators and pre-production"
    if followers:
        whom = "administrators, pre-production and the portal's other web hosts"
    return Opening("tcp", str(port), _sorted(sources), f"SSH, for {whom}")


def _monitoring(own: Host, others: t.Sequence[Host]) -> list[Opening]:
    """The scrape endpoint: for Prometheus, which also says there that it lives, and for the site's own one."""
    if not own.groups & {"production", MONITORING, HEARTBEAT}:
        return []
    option = _own_or_sites(own, "monitoring_scrape_from", "site_monitoring_from")
    sources = list(networks(own.variables.get(option, []), option))
    sources += [network for host in others if MONITORING in host.groups for network in addresses_of(host)]
    if not sources:
        return []
    port = str(own.variables.get("monitoring_port", _SCRAPED))
    return [Opening("tcp", port, _sorted(sources), "figures of this host, for monitoring")]


def _status_page(own: Host) -> list[Opening]:
    """The page of a monitoring host; one that has the portal shows it in the portal's own server."""
    if MONITORING not in own.groups or {"production", "web"} <= own.groups:
        return []
    option = _own_or_sites(own, "monitoring_page_networks", "site_status_networks")
    near = networks(own.variables.get(option, []), option)
    known = bool(own.variables.get(_own_or_sites(own, "monitoring_page_passwords", "site_status_passwords")))
    if not near and not known:
        return []
    port = str(own.variables.get("monitoring_page_port", _STATUS_PAGE))
    # Whoever has a password may come from anywhere.
    return [Opening("tcp", port, EVERYONE if known else near, "status page")]


def _own_or_sites(own: Host, variable: str, of_site: str) -> str:
    """Which of the two variables counts: the role's one stands for that of the site where the host has it."""
    return variable if variable in own.variables else of_site


def _telephony(variables: t.Mapping[str, t.Any]) -> list[Opening]:
    """What calls need. The manager interface and HTTP without TLS listen on loopback, and have no opening."""
    near = [*networks(variables.get("telephony_local_networks", _LOCAL_NETWORKS), "telephony_local_networks")]
    for trunk in variables.get("telephony_trunks", []):
        near += networks(trunk.get("addresses", []), f"addresses of the trunk {trunk.get('name')}")
    audio = f"{variables.get('telephony_rtp_first', 10000)}-{variables.get('telephony_rtp_last', 20000)}"
    # Audio comes from servers of the carrier that nobody names before.
    found = [Opening("udp", audio, EVERYONE, "audio of calls, for everyone")]
    if near:
        port = str(variables.get("telephony_udp_port", 5060))
        found.insert(0, Opening("udp", port, _sorted(near), "SIP, for carriers and own networks"))
    if variables.get("telephony_certificate_file"):
        for name, default, text in (("tls", 5061, "SIP over TLS"), ("wss", 8089, "phones in browsers")):
            port = str(variables.get(f"telephony_{name}_port", default))
            found.append(Opening("tcp", port, EVERYONE, f"{text}, for everyone"))
    return found


def _further(given: t.Any) -> Opening:
    """An entry of hardening_open."""
    keys = {"port", "protocol", "from", "reason"}
    if not isinstance(given, t.Mapping) or not {"port", "reason"} <= set(given) <= keys or not str(given["reason"]):
        raise BoxliftError(
            f"hardening_open has {given!r}.",
            "Each entry needs port and reason, and may have protocol (tcp or udp) and from (a list of networks).",
        )
    first, _hyphen, last = str(given["port"]).partition("-")
    protocol = str(given.get("protocol", "tcp"))
    right = first.isdecimal() and 0 < int(first) <= int(last or first) < 65536 if (last or "0").isdecimal() else False
    if not right or protocol not in ("tcp", "udp"):
        raise BoxliftError(
            f"hardening_open has {protocol} port '{given['port']}'.",
            "Write a number of 1 to 65535 or a range such as 10000-20000, and tcp or udp.",
        )
    return Opening(
        protocol, str(given["port"]), networks(given.get("from", []), "hardening_open"), str(given["reason"])
    )


def _sorted(given: t.Iterable[Network]) -> tuple[Network, ...]:
    by_version = {4: [], 6: []}  # type: dict[int, list[t.Any]]
    for network in given:
        by_version[network.version].append(network)
    return tuple(each for version in (4, 6) for each in ipaddress.collapse_addresses(by_version[version]))
