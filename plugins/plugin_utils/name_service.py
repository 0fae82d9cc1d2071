# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What name servers answer for a name: asked one by one, and judged before and after it is led to other hosts."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding

try:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.query
    import dns.rcode
    import dns.resolver
except ImportError:
    HAS_DNSPYTHON = False
else:
    HAS_DNSPYTHON = True

TIMEOUT = 3.0  # seconds for an answer; one that takes longer is of no use to a browser either
KINDS = ("A", "AAAA")
TTL, ADDRESS = "name.ttl", "name.address"


@dataclasses.dataclass(frozen=True)
class Server:
    address: str
    port: int = 53

    def __str__(self) -> str:
        return self.address if self.port == 53 else f"{self.address}#{self.port}"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What one server says. `ttl` in seconds is the shortest of the chain that leads to the addresses.

    `authoritative` servers tell the time that is set; others what is left of it in their memory. `problem` says why
    there are no addresses.
    """

    server: Server
    addresses: tuple[str, ...] = ()
    ttl: int = 0
    authoritative: bool = False
    problem: str = ""


def server_of(text: str) -> Server:
    """ADDRESS or ADDRESS#PORT. Raises BoxliftError for anything else: a resolver's name would have to be resolved."""
    address, _mark, port = text.strip().partition("#")
    try:
        return Server(str(ipaddress.ip_address(address)), int(port or 53))
    except ValueError:
        raise BoxliftError(
            f"The resolver {text!r} is no IP address.", "Give an address such as 192.0.2.53, or 192.0.2.53#5353."
        ) from None


def demand_dnspython() -> None:
    """Raises BoxliftError where the controller lacks the library."""
    if not HAS_DNSPYTHON:
        raise BoxliftError(
            "The controller has no dnspython, so no name server can be asked.",
            "Install it where Ansible runs: pip install dnspython, or the package python3-dnspython.",
        )


def resolvers_of_this_host() -> list[Server]:
    """Raises BoxliftError where none is configured."""
    try:
        return [Server(str(each)) for each in dns.resolver.Resolver().nameservers]
    except dns.resolver.NoResolverConfiguration as error:
        raise BoxliftError(
            f"The controller has no resolver: {error}.", "Name those that are to be asked in name_resolvers."
        ) from error


def servers_of_the_zone(name: str, through: t.Sequence[Server]) -> list[Server]:
    """Those that hold the name's zone, as the resolvers know them; none in a network that knows none."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [each.address for each in through]
    resolver.nameserver_ports = {each.address: each.port for each in through}
    resolver.lifetime = TIMEOUT
    found: list[Server] = []
    try:
        zone = dns.resolver.zone_for_name(name, resolver=resolver)
        for holder in resolver.resolve(zone, "NS"):
            for kind in KINDS:
                addresses = resolver.resolve(holder.target, kind, raise_on_no_answer=False).rrset or ()
                found += [Server(each.address) for each in addresses]
    except dns.exception.DNSException:
        return found
    return found


def ask(name: str, server: Server) -> Answer:
    """Both kinds of address, by UDP, and by TCP where the answer is too long for it."""
    addresses: list[str] = []
    times: list[int] = []
    authoritative = True
    for kind in KINDS:
        query = dns.message.make_query(name, kind)
        try:
            said, _over_tcp = dns.query.udp_with_fallback(query, server.address, TIMEOUT, server.port)
            found = said.resolve_chaining()
        except (OSError, dns.exception.DNSException) as error:
            return Answer(server, problem=f"{type(error).__name__}: {error}".rstrip(": "))
        if said.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return Answer(server, problem=dns.rcode.to_text(said.rcode()))
        authoritative = authoritative and bool(said.flags & dns.flags.AA)
        if found.answer is not None:
            addresses += [each.address for each in found.answer]
            times.append(found.minimum_ttl)
    if not addresses:
        return Answer(server, authoritative=authoritative, problem="it knows no address of the name")
    return Answer(server, tuple(sorted(addresses)), min(times), authoritative)


def judge(name: str, answers: t.Sequence[Answer], most: int, expected: t.Collection[str]) -> list[Finding]:
    """Whether the name can be led elsewhere quickly; and with `expected`, whether it leads there and nowhere else."""
    return [_ttl(name, answers, most), *([_addresses(name, answers, expected)] if expected else [])]


def _ttl(name: str, answers: t.Sequence[Answer], most: int) -> Finding:
    wish = f"{most} s at most"
    told = [each for each in answers if each.addresses]
    long = [each for each in told if each.ttl > most]
    if long:
        seen = "; ".join(f"{each.server} tells {each.ttl} s" for each in long)
        fix = (
            f"Have the TTL of {name} set to {most} s. Resolvers forget the old one only after its own time: so long "
            "before the switch it must be done."
        )
        return Finding(TTL, "name", "fail", seen, wish, fix, "customer")
    proven = [each for each in told if each.authoritative]
    if not proven:
        seen = "no server that holds the zone was reached" if told else _silence(answers)
        fix = "Name one in name_resolvers, or ask the customer's name service what TTL is set."
        return Finding(TTL, "name", "unknown", seen, wish, fix, "customer")
    seen = "; ".join(f"{each.server} has set {each.ttl} s" for each in proven)
    return Finding(TTL, "name", "pass", seen, wish)


def _addresses(name: str, answers: t.Sequence[Answer], expected: t.Collection[str]) -> Finding:
    allowed = {str(ipaddress.ip_address(each)) for each in expected}
    wish = ", ".join(sorted(allowed))
    astray = [each for each in answers if each.addresses and not set(each.addresses) <= allowed]
    silent = [each for each in answers if not each.addresses]
    if astray:
        seen = "; ".join(
            f"{each.server} still leads {name} to {', '.join(sorted(set(each.addresses) - allowed))}"
            + (f" (set so, TTL {each.ttl} s)" if each.authoritative else f", for {each.ttl} s at most")
            for each in astray
        )
        fix = "Wait until it has forgotten that. Where the zone itself is set so, have the record corrected."
        return Finding(ADDRESS, "name", "fail", seen, wish, fix, "customer")
    if silent:
        fix = "Ask it by hand (dig), or take it out of name_resolvers if no user asks it."
        return Finding(ADDRESS, "name", "unknown", _silence(silent), wish, fix, "customer")
    return Finding(ADDRESS, "name", "pass", f"{', '.join(str(each.server) for each in answers)} lead there", wish)


def _silence(answers: t.Sequence[Answer]) -> str:
    return "; ".join(f"{each.server}: {each.problem}" for each in answers)
