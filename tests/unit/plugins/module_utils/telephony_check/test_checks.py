# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each check of the telephony: what passes, what fails, and what it says where it cannot look."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import socket
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.health import runner
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import trusting_context
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import direct
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.context import TelephonyContext
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.manager import ManagerUser
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.rest import RestClient
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.served import look_at
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.sources import backlog_of, records_of
from lab.authority import Authority
from lab.telephony.server import TelephonyServer
from unit.plugins.module_utils.telephony_check import toy_exchange
from unit.plugins.module_utils.telephony_check.toy_exchange import Ami, Console, TlsPort, cdr_line

NOW = time.time()
NAME = "pbx.boxlift.test"


@dataclasses.dataclass
class World:
    """A healthy exchange with its portal; a test breaks one thing."""

    context: TelephonyContext
    console: Console
    ami: Ami
    portal: TelephonyServer
    folder: pathlib.Path
    authority: Authority

    def finding(self, name: str) -> Finding:
        """The finding of one check, of which nothing is remembered."""
        self.context = dataclasses.replace(self.context, _memory={}, _asking={})
        checks = all_checks().with_needs(f"telephony.{name}")
        return runner.run(self.context, checks)[-1]

    def observed(self, name: str, status: str) -> str:
        found = self.finding(name)
        assert found.status == status, found
        assert bool(found.remedy) == (status not in ("pass", "skip")), found
        return found.observed

    def give(self, **options: t.Any) -> None:
        self.context = dataclasses.replace(self.context, **options)

    def write_records(self, *lines: str) -> None:
        (self.folder / "cdr.csv").write_text("".join(lines))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def world(tmp_path: pathlib.Path, authority: Authority) -> t.Iterator[World]:
    console, ami = Console(), Ami()
    issued, own = authority.issue("127.0.0.1"), authority.issue(NAME)
    port = TlsPort(own.certificate, own.key)
    toy_exchange.write_queue(tmp_path / "queue.sqlite")
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    ca_path = str(authority.certificate)
    with TelephonyServer(certificate=issued.certificate, key=issued.key) as portal:
        portal.portal.add_user(1, "Anna", "101")
        portal.portal.add_line("", "74950000001")
        portal.portal.rules.outgoing_line = "REST_APP:3"
        context = TelephonyContext(
            now=lambda: NOW,
            connect=_no_database,
            run_command=console.run,
            manager_connect=ami.connect,
            manager_users=(ManagerUser("events", toy_exchange.PASSWORD, ("call", "cdr")),),
            trunks=("carrier",),
            phones=("101",),
            external_address="198.51.100.7",
            name=NAME,
            tls_ports=(port.port,),
            certificate_file=str(own.certificate),
            look=functools.partial(look_at, direct("127.0.0.1", NAME, 5), ca_path),
            rest=(RestClient(portal.webhook(1), direct("", "", 5), trusting_context(ca_path)),),
            lines=("74950000001",),
            outgoing_line="REST_APP:3",
            inner_numbers=("101",),
            domain="portal.example.com",
            portal_url="https://portal.example.com",
            recordings=str(recordings),
            reserve_bytes=1,
            records=functools.partial(records_of, str(tmp_path / "cdr.csv")),
            external_prefix="pbx-",
            backlog=functools.partial(backlog_of, str(tmp_path / "queue.sqlite")),
            service="call-connector.service",
        )
        yield World(context, console, ami, portal, tmp_path, authority)
    port.close()


def _no_database(*_: object) -> t.Any:
    raise AssertionError("no check of the telephony needs the portal's database")


def a_call(world: World, number: str = "1", ago: float = 3600, **fields: t.Any) -> str:
    """A line for a call that began so many seconds ago, answered after 5 s, 10 s long."""
    start = NOW - ago
    return cdr_line(**{"linkedid": number, "start": start, "answer": start + 5, "end": start + 15, **fields})


def told(world: World, number: str = "1", ago: float = 3600) -> str:
    """The portal is told of that call; its CALL_ID."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(NOW - ago))
    given = {"USER_ID": 1, "PHONE_NUMBER": "79001112233", "TYPE": 2, "CALL_START_DATE": moment}
    call = world.portal.portal.register("", {**given, "EXTERNAL_CALL_ID": f"pbx-{number}"})["CALL_ID"]
    world.portal.portal.finish({"CALL_ID": call, "USER_ID": 1, "DURATION": 10})
    return str(call)


def test_everything_is_in_order(world: World) -> None:
    world.write_records(a_call(world, recording="1.wav"))
    toy_exchange.write_wav(pathlib.Path(world.context.recordings) / "1.wav", 10)
    told(world)
    findings = runner.run(world.context, list(all_checks().checks.values()))
    assert [(each.id, each.observed) for each in findings if each.status != "pass"] == []


def test_nothing_that_was_not_given_is_a_success(world: World) -> None:
    empty = TelephonyContext(now=lambda: NOW, connect=_no_database)
    statuses = {each.id: each.status for each in runner.run(empty, list(all_checks().checks.values()))}
    assert set(statuses.values()) == {"skip", "unknown"}


# -- the exchange -----------------------------------------------------------------------------------------------


def test_a_dead_exchange_is_one_failure(world: World) -> None:
    world.console.dead = True
    assert "does not answer" in world.observed("exchange", "fail")
    assert world.finding("trunks").status == "skip"


def test_an_exchange_that_is_not_here(world: World) -> None:
    world.give(run_command=None)
    assert "commands cannot be run" in world.observed("exchange", "unknown")


def test_an_exchange_that_restarts(world: World) -> None:
    world.console.programs["systemctl"] = "NRestarts=3\n"
    assert "3 times" in world.observed("restarts", "fail")
    world.console.programs["systemctl"] = "NRestarts=0\n"
    world.console.asterisk["core show uptime seconds"] = "System uptime: 20\n"
    assert "20 s only" in world.observed("restarts", "warn")
    world.console.programs["systemctl"] = ""
    world.observed("restarts", "unknown")


@pytest.mark.parametrize(
    ("read", "write", "status", "text"),
    [
        ("call", "<none>", "fail", "events lacks read=cdr"),
        ("call,cdr", "originate,system", "warn", "has write=originate,system"),
        ("all", "<none>", "warn", "has read=all"),
    ],
)
def test_rights_of_a_user_of_ami(world: World, read: str, write: str, status: str, text: str) -> None:
    shown = toy_exchange.USER.format(name="events", read=read, write=write)
    world.console.asterisk["manager show user events"] = shown
    assert text in world.observed("manager", status)


def test_ami_refuses_or_is_slow(world: World) -> None:
    world.give(manager_users=(ManagerUser("events", "wrong", ("call", "cdr")),))
    assert "Authentication failed" in world.observed("manager", "fail")
    world.give(manager_users=(ManagerUser("events", toy_exchange.PASSWORD, ("call", "cdr")),))
    world.ami.delay = 1.1
    assert "Ping took 1." in world.observed("manager", "fail")


def test_ami_that_cannot_be_asked(world: World) -> None:
    def refused() -> socket.socket:
        raise ConnectionRefusedError(111, "Connection refused")

    world.give(manager_connect=refused)
    assert "AMI does not answer" in world.observed("manager", "unknown")
    world.give(manager_connect=world.ami.connect)
    world.ami.banner = b"SSH-2.0-OpenSSH\r\n"
    assert "does not greet" in world.observed("manager", "unknown")
    del world.console.asterisk["manager show user events"]
    world.ami.banner = b"Asterisk Call Manager/11.0.0\r\n"
    assert "knows no user events" in world.observed("manager", "fail")


def test_a_trunk_that_is_not_registered(world: World) -> None:
    shown = toy_exchange.REGISTRATIONS
    for state in ("Unregistered", "Rejected"):
        world.console.asterisk["pjsip show registrations"] = shown.replace("Registered ", f"{state} ")
        assert f"carrier: {state}" in world.observed("trunks", "fail")


def test_a_trunk_without_registration(world: World) -> None:
    """Known by its address: then the carrier must be asked, and answer."""
    world.console.asterisk["pjsip show registrations"] = "No objects found.\n"
    assert world.observed("trunks", "pass") == "carrier"
    for state, status in (("Unavail", "fail"), ("NonQual", "warn")):
        shown = toy_exchange.CONTACTS.replace("Avail        12.345", f"{state}        -nan")
        world.console.asterisk["pjsip show contacts"] = shown
        assert state in world.observed("trunks", status)
    world.console.asterisk["pjsip show contacts"] = "No objects found.\n"
    assert "neither a registration nor a contact" in world.observed("trunks", "fail")


# -- sound ------------------------------------------------------------------------------------------------------


def test_no_common_codec(world: World) -> None:
    endpoint = "pjsip show endpoint 101"
    world.console.asterisk[endpoint] = toy_exchange.ENDPOINT.format(name="101", codecs="g722|opus")
    assert "no common codec: carrier (alaw,ulaw) and 101 (g722,opus)" in world.observed("codecs", "fail")
    world.console.asterisk[endpoint] = toy_exchange.ENDPOINT.format(name="101", codecs="nothing")
    assert "no codec at all: 101" in world.observed("codecs", "fail")
    del world.console.asterisk[endpoint]
    assert "knows no endpoint 101" in world.observed("codecs", "unknown")


@pytest.mark.parametrize(
    ("ports", "closed"),
    [
        ([{"range": [10000, 10020]}], "10021-10100"),
        ([5060], "10000-10100"),
        ([{"range": [10001, 10100]}], "10000-10100"),
    ],
)
def test_closed_ports_of_the_sound(world: World, ports: t.Any, closed: str) -> None:
    world.console.programs["nft"] = toy_exchange.ruleset(ports)
    assert f"lets in nothing at {closed}" in world.observed("rtp", "fail")


def test_firewalls_that_close_nothing(world: World) -> None:
    for rules in (toy_exchange.ruleset([5060], policy="accept"), None):
        world.console.programs["nft"] = rules
        assert world.observed("rtp", "pass") == "10000-10100/udp"
    world.console.programs["nft"] = toy_exchange.ruleset(verdict="drop")
    world.observed("rtp", "fail")
    world.console.programs["nft"] = "no JSON"
    world.observed("rtp", "unknown")


def test_what_else_makes_people_unheard(world: World) -> None:
    world.console.programs["ss"] = toy_exchange.SOCKETS + toy_exchange.SOCKETS.replace("asterisk", "rtpengine")
    assert "held by other programs: 10010 (rtpengine)" in world.observed("rtp", "fail")
    world.console.programs["ss"] = toy_exchange.SOCKETS
    shown = world.console.asterisk["pjsip show endpoint 101"]
    world.console.asterisk["pjsip show endpoint 101"] = shown.replace(": false", ": true")
    assert "direct_media=yes, so nothing is recorded: 101" in world.observed("rtp", "fail")
    world.console.asterisk["pjsip show endpoint 101"] = shown
    world.console.asterisk["pjsip show transport udp"] = toy_exchange.TRANSPORT.format(address="")
    assert "transport udp tells its own address, not 198.51.100.7" in world.observed("rtp", "fail")
    world.console.asterisk["rtp show settings"] = "No such command\n"
    world.observed("rtp", "unknown")


def test_recordings(world: World) -> None:
    recordings = pathlib.Path(world.context.recordings)
    world.write_records(a_call(world, recording="1.wav"))
    assert "1.wav is missing" in world.observed("recordings", "fail")
    (recordings / "1.wav").write_bytes(bytes(44))
    assert "header without sound (44 bytes)" in world.observed("recordings", "fail")
    toy_exchange.write_wav(recordings / "1.wav", 3)
    assert "has 3 s of 10 s" in world.observed("recordings", "fail")
    (recordings / "1.wav").write_bytes(b"noise" * 100)
    assert "has 0 s of 10 s" in world.observed("recordings", "fail")
    toy_exchange.write_wav(recordings / "1.wav", 10, sample=b"\x08\x00\xf8\xff")  # twice as long: two samples
    assert "1 of 1 recordings are silent: 1.wav" in world.observed("recordings", "warn")
    toy_exchange.write_wav(recordings / "1.wav", 10)
    world.observed("recordings", "pass")
    # A call that nobody took, one that is not recorded, and one of last week ask for no recording.
    missed = {"disposition": "NO ANSWER", "answer": 0, "recording": "2.wav"}
    others = [a_call(world, "2", **missed), a_call(world, "3"), a_call(world, "4", 8 * 86400, recording="4.wav")]
    world.write_records(*others)
    assert "no talk was recorded" in world.observed("recordings", "skip")
    world.write_records("too,few,fields\n")
    assert "a record has 3 fields" in world.observed("recordings", "unknown")


def test_room(world: World) -> None:
    world.give(reserve_bytes=1 << 60)
    assert "the reserve is" in world.observed("room", "fail")
    world.give(recordings="/nonexistent")
    assert "is no directory" in world.observed("room", "fail")


# -- certificates -----------------------------------------------------------------------------------------------


def test_a_certificate_for_another_name(world: World) -> None:
    world.give(name="other.boxlift.test", look=_looking(world, "other.boxlift.test"))
    assert f"for {NAME}, not for other.boxlift.test" in world.observed("certificate", "fail")


def test_a_certificate_that_ends(world: World) -> None:
    for days, status, text in ((355, "warn", "10 days left"), (400, "fail", "expired 35 days ago")):
        world.give(now=lambda days=days: NOW + days * 86400)
        assert text in world.observed("certificate", status)


def test_a_certificate_that_was_not_loaded_again(world: World, tmp_path: pathlib.Path) -> None:
    newer = Authority(tmp_path / "newer").issue(NAME)
    world.give(certificate_file=str(newer.certificate))
    assert "it was not loaded again" in world.observed("certificate", "fail")
    (tmp_path / "empty.pem").write_text("")
    world.give(certificate_file=str(tmp_path / "empty.pem"))
    assert "holds no certificate" in world.observed("certificate", "unknown")


def test_a_chain_that_nobody_accepts(world: World) -> None:
    world.give(look=functools.partial(look_at, direct("127.0.0.1", NAME, 5), ""))
    assert "the chain is not accepted" in world.observed("certificate", "fail")


def test_ports_that_show_nothing(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        closed = silent.getsockname()[1]
    world.give(tls_ports=(*world.context.tls_ports, closed))
    assert f"port {closed}: nobody listens" in world.observed("certificate", "fail")

    def silence(_host: str, _port: int) -> t.Any:
        raise TimeoutError("timed out")

    world.give(look=silence)
    assert "timed out" in world.observed("certificate", "unknown")


def _looking(world: World, name: str) -> t.Any:
    return functools.partial(look_at, direct("127.0.0.1", name, 5), str(world.authority.certificate))


# -- the portal -------------------------------------------------------------------------------------------------


def test_credentials(world: World) -> None:
    world.portal.portal.rules.webhooks = False
    assert "webhook: may not register calls (WRONG_AUTH_TYPE" in world.observed("credential", "fail")
    context = trusting_context(str(world.authority.certificate))
    application = RestClient(f"{world.portal.url}/rest/", direct("", "", 5), context, world.portal.service.token(1))
    world.give(rest=(application, *world.context.rest))
    assert "application: may register and read; webhook: may not" in world.observed("credential", "warn")
    world.portal.portal.add_user(2, "Boris", MAY_SEE_STATISTICS=0)
    world.portal.portal.rules.webhooks = True
    world.give(rest=(RestClient(world.portal.webhook(2), direct("", "", 5), context),))
    assert "may not read the statistics (ACCESS_DENIED" in world.observed("credential", "fail")
    wrong = world.portal.webhook(1).replace("/rest/1/", "/rest/7/")
    world.give(rest=(RestClient(wrong, direct("", "", 5), context),))
    assert "INVALID_CREDENTIALS" in world.observed("credential", "fail")


def test_nothing_is_registered_by_looking(world: World) -> None:
    world.write_records(a_call(world))
    told(world)
    runner.run(world.context, list(all_checks().checks.values()))
    state = world.portal.service.state()
    assert (state["calls"], len(state["statistics"]), state["entities"]) == ([], 1, [])


def test_a_portal_that_does_not_answer(world: World) -> None:
    world.portal.service.set_up({"outage": 60})
    assert "does not answer" in world.observed("credential", "unknown")
    world.portal.service.set_up({"outage": 0, "faults": [{"kind": "html"}]})
    assert "no JSON" in world.observed("credential", "unknown")
    unknown = RestClient(world.portal.webhook(1), direct("", "", 5), trusting_context(""))
    world.give(rest=(unknown,))
    assert "is not accepted" in world.observed("credential", "unknown")


def test_what_is_wrong_with_an_address_does_not_show_it(world: World) -> None:
    secret = world.portal.webhook(1).replace("/1/", "/1/canary of a code/")
    world.give(rest=(RestClient(secret, direct("", "", 5), trusting_context(str(world.authority.certificate))),))
    assert "canary" not in world.observed("credential", "unknown")


def test_inner_numbers(world: World) -> None:
    world.give(inner_numbers=("101", "102"))
    assert "in no profile: 102" in world.observed("inner_numbers", "fail")
    world.portal.portal.add_user(2, "Boris", "101")
    world.give(inner_numbers=("101",))
    assert "in several profiles: 101 (Anna, Boris)" in world.observed("inner_numbers", "fail")
    world.portal.store.change("users", 2, ACTIVE=0)
    world.observed("inner_numbers", "pass")
    for number in range(3, 60):
        world.portal.portal.add_user(number, f"User {number}", str(200 + number))
    world.give(inner_numbers=("101", "259"))  # on the second page
    world.observed("inner_numbers", "pass")
    world.portal.store.clear()
    world.portal.portal.add_user(1, "Anna", ACTIVE=1, USER_TYPE="bot")
    assert "in no profile" in world.observed("inner_numbers", "fail")


def test_lines(world: World) -> None:
    world.give(lines=("74950000001", "74950000002"))
    assert "not in the portal: 74950000002; it knows 74950000001" in world.observed("lines", "fail")


def test_the_default_outgoing_line(world: World) -> None:
    world.portal.portal.rules.outgoing_line = "reg133788"
    assert "it is reg133788, not REST_APP:3" in world.observed("outgoing_line", "fail")
    world.portal.service.set_up({"faults": [{"kind": "error", "method": "voximplant.line.*"}]})
    world.observed("outgoing_line", "unknown")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://company.bitrix24.ru", "and the portal is portal.example.com"),
        ("http://portal.example.com", "not https"),
        ("portal.example.com", "and the portal is"),
        ("", "it is empty"),
    ],
)
def test_the_address_that_the_cloud_has_left(world: World, url: str, text: str) -> None:
    world.give(portal_url=url)
    assert text in world.observed("portal_url", "fail")


# -- the connector ----------------------------------------------------------------------------------------------


def test_the_connectors_service(world: World) -> None:
    world.console.programs["systemctl"] = "ActiveState=failed\nNRestarts=5\n"
    assert "call-connector.service is failed" in world.observed("connector", "fail")
    world.console.programs["systemctl"] = "ActiveState=active\nNRestarts=5\n"
    assert "started again 5 times" in world.observed("connector", "warn")


def test_the_queue(world: World) -> None:
    def queue(*rows: tuple[str, int, float], hold: str = "") -> None:
        (world.folder / "queue.sqlite").unlink()
        toy_exchange.write_queue(world.folder / "queue.sqlite", *rows, hold=hold)

    queue(("registered", 0, NOW - 3600), ("stored", 1, NOW - 60), ("closed", 1, NOW - 3600))
    assert "1 calls wait, the oldest for 60 s; 0 dead" in world.observed("queue", "pass")
    queue(("finished", 1, NOW - 301))
    assert "the oldest for 301 s" in world.observed("queue", "fail")
    queue(("dead", 1, NOW))
    assert "1 dead letters" in world.observed("queue", "fail")
    queue(("stored", 1, NOW - 3600), hold="1")
    assert "held back" in world.observed("queue", "warn")
    (world.folder / "queue.sqlite").write_bytes(b"no database")
    world.observed("queue", "unknown")
    (world.folder / "queue.sqlite").unlink()
    assert "there is no database" in world.observed("queue", "unknown")


def test_calls_that_are_lost_or_double(world: World) -> None:
    world.write_records(a_call(world, "1"), a_call(world, "2"), a_call(world, "3"))
    told(world, "1"), told(world, "2"), told(world, "2")
    assert "of 3 calls, 1 lost: pbx-3; 1 double: pbx-2" in world.observed("reconcile", "fail")


def test_calls_that_need_no_fact(world: World) -> None:
    internal, late, old = (
        a_call(world, "1", direction="internal"),
        a_call(world, "2", 60),
        a_call(world, "3", 2 * 86400),
    )
    world.write_records(internal, late, old)
    assert "no call with a client" in world.observed("reconcile", "skip")
    call = told(world, "x")
    world.write_records(a_call(world, "4", portal_call_id=call))
    world.portal.store.change("statistics", 1, EXTERNAL_CALL_ID=None)
    assert world.observed("reconcile", "pass") == "1 calls, each once"


def test_reconciling_without_records(world: World) -> None:
    world.give(records=functools.partial(records_of, "/nonexistent/cdr.csv"))
    assert "there is no such folder" in world.observed("reconcile", "unknown")
