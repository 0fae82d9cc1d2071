# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role balancer: the program that speaks with HAProxy, against a scripted one, and the texts for a site."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.boxlift.portal.plugins.module_utils.health.checks import cluster_balancer

ROLE = Path(__file__).resolve().parents[3] / "roles/balancer"
_SPEC = importlib.util.spec_from_file_location("boxlift_balancer", ROLE / "files/balancer.py")
assert _SPEC is not None and _SPEC.loader is not None
balancer = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(balancer)

BACKENDS = ("portal", "portal_lead", "portal_push")
HEADER = "# pxname,svname,scur,status,lastchg,check_status,\n"


class HAProxy:
    """What its administration socket says. Each look lets the requests that run end one after the other."""

    def __init__(self) -> None:
        self.state = {"w1": "UP", "w2": "UP"}
        self.check = {"w1": "L7OK", "w2": "L7OK"}
        self.running = {("portal", "w1"): 0, ("portal_lead", "w1"): 0, ("portal_push", "w1"): 0}
        self.ends = True
        self.heals = True
        self.commands: list[str] = []
        self.time = 0.0

    def ask(self, command: str) -> str:
        if command == "show stat":
            return self.shown()
        if command == "show servers state":
            return "1\n# be_id\n"
        self.commands.append(command)
        words = command.split()
        if words[:2] == ["set", "server"]:
            host = words[2].partition("/")[2]
            self.state[host] = {"maint": "MAINT", "ready;": "DOWN"}[words[4]]
        elif words[:3] == ["shutdown", "sessions", "server"]:
            self.running[tuple(words[3].split("/"))] = 0  # type: ignore[index]  # backend and host
        elif words[:2] != ["set", "map"]:
            return "Unknown command."
        return "\n"

    def shown(self) -> str:
        lines = [HEADER, "portal,FRONTEND,3,OPEN,,,\n", "metrics,FRONTEND,0,OPEN,,,\n"]
        for backend in BACKENDS:
            for host, state in self.state.items():
                shown = f"{state} (via portal/{host})" if state == "MAINT" and backend != "portal" else state
                check = self.check[host] if backend == "portal" else ""
                lines.append(f"{backend},{host},{self.running.get((backend, host), 0)},{shown},7,{check},\n")
            lines.append(f"{backend},BACKEND,0,UP,7,,\n")
        return "".join(lines)

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        if self.ends:
            for place in self.running:
                if place[0] != "portal_push":
                    self.running[place] = max(0, self.running[place] - 1)
        if self.heals:
            self.state = {host: "UP" if state == "DOWN" else state for host, state in self.state.items()}

    @property
    def clock(self) -> t.Any:
        return balancer.Clock(lambda: self.time, self.sleep)

    def drain(self, host: str = "w1", last: bool = False) -> dict[str, t.Any]:
        return dict(balancer.drain(self.ask, host, 10.0, last, self.clock))

    def refusal(self, **given: t.Any) -> str:
        with pytest.raises(balancer.Refused) as refused:
            self.drain(**given)
        return str(refused.value)


@pytest.fixture
def haproxy() -> HAProxy:
    return HAProxy()


def test_it_waits_until_what_runs_has_ended_and_closes_what_lasts(haproxy: HAProxy) -> None:
    haproxy.running = {("portal", "w1"): 3, ("portal_lead", "w1"): 1, ("portal_push", "w1"): 40}
    done = haproxy.drain()
    assert done == {"host": "w1", "state": "MAINT", "push_clients": 40, "seconds": 0.6}
    assert haproxy.commands == ["set server portal/w1 state maint", "shutdown sessions server portal_push/w1"]
    assert set(haproxy.running.values()) == {0}


def test_a_second_drain_changes_nothing(haproxy: HAProxy) -> None:
    haproxy.drain()
    assert haproxy.drain()["seconds"] == 0.0


def test_requests_that_do_not_end_are_said(haproxy: HAProxy) -> None:
    haproxy.running["portal", "w1"] = 2
    haproxy.ends = False
    assert "2 requests still run on w1 after 10 s. It gets no new ones" in haproxy.refusal()
    assert haproxy.state["w1"] == "MAINT"
    # Nobody's connection was cut.
    assert haproxy.commands == ["set server portal/w1 state maint"]


def test_the_last_host_stays(haproxy: HAProxy) -> None:
    haproxy.state["w2"] = "DOWN"
    assert haproxy.refusal().startswith("w1 is the last web host that works.")
    assert haproxy.commands == []
    assert haproxy.drain(last=True)["state"] == "MAINT"


def test_a_host_that_is_dead_already_can_be_drained(haproxy: HAProxy) -> None:
    haproxy.state = {"w1": "DOWN", "w2": "DOWN"}
    haproxy.heals = False
    assert haproxy.drain()["state"] == "MAINT"


def test_an_unknown_host_names_those_that_are_known(haproxy: HAProxy) -> None:
    assert haproxy.refusal(host="w3") == "HAProxy knows no web host w3; it knows w1, w2. Run playbook provision."


def test_a_host_comes_back_once_it_is_healthy(haproxy: HAProxy) -> None:
    haproxy.drain()
    haproxy.commands.clear()
    assert balancer.ready(haproxy.ask, "w1", 10.0, haproxy.clock) == {"host": "w1", "state": "UP", "seconds": 0.2}
    assert haproxy.commands == ["set server portal/w1 state ready; set server portal/w1 health down"]


def test_a_host_in_service_is_left_alone(haproxy: HAProxy) -> None:
    assert balancer.ready(haproxy.ask, "w1", 10.0, haproxy.clock)["seconds"] == 0.0
    assert haproxy.commands == []


def test_a_host_that_does_not_heal_is_said(haproxy: HAProxy) -> None:
    haproxy.drain()
    haproxy.heals = False
    haproxy.check["w1"] = "L7STS"
    with pytest.raises(balancer.Refused, match="w1 is not healthy after 10 s: DOWN, L7STS. Nobody is sent there"):
        balancer.ready(haproxy.ask, "w1", 10.0, haproxy.clock)


def test_a_command_that_haproxy_refuses(haproxy: HAProxy) -> None:
    with pytest.raises(balancer.Refused, match="HAProxy refuses 'nonsense': Unknown command"):
        balancer.tell(haproxy.ask, "nonsense")


def test_the_program_prints_json(haproxy: HAProxy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert balancer.main(["status"], haproxy.ask, tmp_path) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["holds_address"] is False
    assert [each["host"] for each in shown["servers"]] == ["w1", "w2"] * 3


def test_keepalived_is_believed_also_while_haproxy_is_down(haproxy: HAProxy, tmp_path: Path) -> None:
    assert balancer.main(["notify", "INSTANCE", "portal", "MASTER", "100"], haproxy.ask, tmp_path) == 0
    assert haproxy.commands == [f"set map {tmp_path / 'held.map'} address yes"]
    assert balancer.holds(tmp_path)

    def down(_command: str) -> str:
        raise ConnectionRefusedError("nobody listens")

    assert balancer.main(["notify", "INSTANCE", "portal", "FAULT", "100"], down, tmp_path) == 0
    assert not balancer.holds(tmp_path)


def test_a_configuration_that_was_written_after_the_start_has_not_been_read() -> None:
    def ask(command: str) -> str:
        assert command == "show info"
        return "Name: HAProxy\nUptime_sec: 100\nUptime: 0d 0h01m40s\n"

    assert balancer.is_current(ask, written=800.0, now=1000.0)
    # Written, and read in the same second.
    assert balancer.is_current(ask, written=900.9, now=1000.0)
    assert not balancer.is_current(ask, written=902.0, now=1000.0)


def test_states_are_kept_for_the_next_haproxy(haproxy: HAProxy, tmp_path: Path) -> None:
    assert balancer.main(["save"], haproxy.ask, tmp_path) == 0
    assert (tmp_path / "servers").read_text() == "1\n# be_id\n"


def test_a_haproxy_that_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def down(_command: str) -> str:
        raise ConnectionRefusedError("nobody listens")

    assert balancer.main(["status"], down, tmp_path) == 1
    assert "HAProxy does not answer at /run/haproxy/admin.sock: nobody listens" in capsys.readouterr().err


HELD = "   1: {at} 0B01A8C0:C001 {state} 00000000:00000000\n"
ADDRESS, MAPPED = "010200C0:01BB", "0000000000000000FFFF0000010200C0:01BB"


class Edge:
    """A balancer that leaves: what it was told, and the connections that the kernel shows at each look."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.time = folder, 0.0
        self.told: list[str] = []
        self.fails = ""
        self.absent: tuple[str, ...] = ()
        self.left = [HELD.format(at=MAPPED, state="01"), HELD.format(at="0100007F:01BB", state="01")]
        (folder / "held.map").write_text("address yes\n")
        self.show()

    def show(self) -> None:
        (self.folder / "tcp").write_text("header\n" + "".join(self.left))

    def run(self, command: t.Sequence[str], text: str) -> None:
        if command[0] in self.absent:
            raise FileNotFoundError(2, "No such file or directory", command[0])
        self.told.append(" ".join(command))
        if self.told[-1] == self.fails:
            raise subprocess.CalledProcessError(1, command, stderr="no")

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.left = self.left[1:]
        self.show()

    def leave(self) -> dict[str, t.Any]:
        clock = balancer.Clock(lambda: self.time, self.sleep)
        return dict(balancer.leave("192.0.2.1", 3.0, self.folder, self.run, clock, [str(self.folder / "tcp")]))


LEFT = [
    "nft -f -",
    "systemctl reload haproxy.service",
    "systemctl stop keepalived.service",
    "nft delete table inet boxlift_balancer",
]


def test_who_has_the_address_leaves_when_what_runs_has_ended(tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    assert edge.leave() == {"cut": 0, "seconds": 0.2}
    assert edge.told == LEFT
    assert not balancer.holds(tmp_path)


def test_what_does_not_end_is_cut_and_counted(tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    edge.left = [HELD.format(at=ADDRESS, state="01")] * 40
    edge.show()
    assert edge.leave()["cut"] > 0
    assert edge.told == LEFT


def test_nobody_waits_for_ever_where_something_fails(tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    edge.fails = LEFT[1]
    with pytest.raises(subprocess.CalledProcessError):
        edge.leave()
    assert edge.told[-1] == LEFT[-1]


def test_a_host_without_a_firewall_leaves_too(tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    edge.absent = ("nft",)
    assert edge.leave()["cut"] == 0
    assert edge.told == LEFT[1:3]


def test_who_has_not_the_address_just_leaves(tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    (tmp_path / "held.map").write_text("address no\n")
    edge.leave()
    assert edge.told == ["systemctl stop keepalived.service"]


HOSTS = {"b1": "192.0.2.2", "b2": "192.0.2.3", "w1": "192.0.2.11", "w2": "192.0.2.12"}
GROUPS = {"production": list(HOSTS), "balancer": ["b1", "b2"], "web": ["w1", "w2", "copy"], "preproduction": ["copy"]}


class On:
    """The role's variables and texts on one host."""

    def __init__(self, host: str = "b1", **given: t.Any) -> None:
        loader = DataLoader()
        variables: dict[str, t.Any] = {}
        for place in ("defaults", "vars"):
            variables |= loader.load_from_file(str(ROLE / place / "main.yml"), trusted_as_template=True)
        variables |= {
            "site_domain": "portal.example.com",
            "site_aliases": ["www.example.com"],
            "inventory_hostname": host,
            "groups": GROUPS,
            "hostvars": {name: {"ansible_host": "elsewhere", "site_address": of} for name, of in HOSTS.items()},
            "ansible_check_mode": False,
            "ansible_facts": {
                **{"distribution": "Debian", "distribution_major_version": "12", "interfaces": ["lo", "ens-18"]},
                "lo": {"device": "lo", "ipv4": {"address": "127.0.0.1"}},
                "ens_18": {"device": "ens-18", "ipv4": {"address": "198.51.100.9"},
                           "ipv4_secondaries": [{"address": HOSTS.get(host, "")}]},
            },
            "balancer_address": "192.0.2.1",
            "balancer_vrrp_password": "Canary88",
            "__balancer_seen": {"results": []},
            "__balancer_inet6": {"stat": {"exists": True}},
        }  # fmt: skip
        self._templar = Templar(loader=loader, variables={**variables, **given})

    def value(self, name: str) -> t.Any:
        return self._templar.template(trust_as_template("{{ " + name + " }}"))

    def text(self, name: str) -> str:
        return str(self._templar.template(trust_as_template((ROLE / "templates" / name).read_text())))

    def problems(self) -> list[str]:
        return [str(each["text"]) for each in self.value("__balancer_problems | selectattr('found') | list")]

    def section(self, title: str) -> list[str]:
        """The lines of one section of HAProxy's configuration."""
        found = re.search(rf"^{title}\n((?:[ ].*\n|\n)*)", self.text("haproxy.cfg.j2"), re.MULTILINE)
        assert found is not None, title
        return [line.strip() for line in found[1].splitlines() if line.strip()]


def test_a_good_site_has_no_problem() -> None:
    assert On().problems() == []
    assert On(groups={**GROUPS, "balancer": ["b1"]}, balancer_address="").problems() == []


PROBLEMS: list[tuple[dict[str, t.Any], str]] = [
    ({"groups": {**GROUPS, "balancer": ["b1", "b2", "w1"]}}, "The group balancer has b1, b2, w1"),
    ({"groups": {**GROUPS, "web": ["copy"]}}, "The group web has no host of production"),
    ({"groups": {**GROUPS, "web": ["b1"]}}, "A balancer needs web hosts, and must be none"),
    ({"hostvars": {**{name: {} for name in HOSTS}, "b1": {"ansible_host": "edge"}}}, "b1 has the address edge. Set"),
    ({"balancer_address": ""}, "Two balancers, and no balancer_address"),
    ({"balancer_address": "192.0.2.1/24"}, "without a mask"),
    ({"balancer_address": "192.0.2.11"}, "which is the own address of a host"),
    ({"groups": {**GROUPS, "balancer": ["b1"]}}, "there is one balancer: nothing can move"),
    ({"ansible_facts": {"distribution": "Debian", "distribution_major_version": "12"}}, "Set balancer_interface"),
    ({"balancer_vrrp_password": "short"}, "no text of 8 letters and digits"),
    ({"balancer_vrrp_id": 256}, "Give a number from 1 to 255"),
    ({"balancer_connections": 50000}, "Give 100 to 30000"),
    ({"balancer_timeout": 60}, "Give 300 seconds at least"),
    ({"ansible_facts": {"distribution": "Debian", "distribution_major_version": "11"}}, "does not know Debian_11"),
    ({"__balancer_seen": {"results": [{"__balancer_item": "/etc/x.pem", "stat": {"exists": False}}]}}, "no /etc/x.pem"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "words"), PROBLEMS, ids=[words for _given, words in PROBLEMS])
def test_bad_input_is_refused(given: dict[str, t.Any], words: str) -> None:
    told = On(**given).problems()
    assert [text for text in told if words in text], told
    # No refusal shows the secret.
    assert "Canary88" not in "".join(told)


def test_each_web_host_is_proven_by_its_own_name_and_keeps_its_people() -> None:
    lines = On().section("backend portal")
    servers = [line for line in lines if line.startswith("server ")]
    assert [line.split()[1:3] for line in servers] == [["w1", "192.0.2.11:443"], ["w2", "192.0.2.12:443"]]
    assert all(f"sni str({name}) verifyhost {name}" in line for name, line in zip(("w1", "w2"), servers))
    assert "cookie BOXLIFT_HOST insert indirect nocache httponly secure" in lines
    assert len({line.partition(" cookie ")[2].split()[0] for line in servers}) == 2
    assert "default-server ssl verify required" in " ".join(On().section("defaults"))


def test_only_looks_are_done_twice() -> None:
    assert "http-request disable-l7-retry unless METH_GET" in On().section("frontend portal")
    defaults = On().section("defaults")
    assert "retry-on conn-failure empty-response" in defaults and "option http-server-close" in defaults


def test_administration_goes_to_the_lead() -> None:
    assert [line.endswith("backup") for line in On().section("backend portal_lead")] == [False, True]
    other = On(groups={**GROUPS, "web_lead": ["w2"]}).section("backend portal_lead")
    assert [line.endswith("backup") for line in other] == [True, False]


def test_an_address_of_ipv4_is_seen_as_one() -> None:
    assert [line for line in On().section("frontend plain") if line.startswith("bind")] == [
        "bind :80",
        "bind :::80 v6only",
    ]
    tls = [line.split()[1:3] for line in On().section("frontend portal") if line.startswith("bind")]
    assert tls == [[":443", "ssl"], [":::443", "v6only"]]
    without = On(__balancer_inet6={"stat": {"exists": False}})
    assert [line for line in without.section("frontend plain") if line.startswith("bind")] == ["bind :80"]


def test_what_a_visitor_claims_to_be_is_removed() -> None:
    lines = On().section("frontend portal")
    assert lines.index("http-request del-header X-Forwarded-For") < lines.index("option forwardfor")


def test_challenges_are_led_where_they_are_served_and_not_in_circles() -> None:
    assert "challenge" not in On().text("haproxy.cfg.j2")
    acme = On(certificate_source="acme")
    assert "use_backend challenge_here if { src 192.0.2.2 192.0.2.3 }" in acme.section("frontend plain")
    servers = [line.split()[2] for line in acme.section("backend challenge") if line.startswith("server ")]
    assert servers == ["127.0.0.1:8406", "192.0.2.11:80", "192.0.2.12:80", "192.0.2.3:80"]


def test_the_two_know_each_other() -> None:
    text = On("b2").text("keepalived.conf.j2")
    assert re.findall(r"unicast_peer \{\s+(\S+)", text) == ["192.0.2.2"]
    assert "interface ens-18\n" in text and "unicast_src_ip 192.0.2.3\n" in text


def test_a_single_balancer_needs_no_keepalived() -> None:
    alone = On(groups={**GROUPS, "balancer": ["b1"]}, balancer_address="")
    assert alone.value("__balancer_packages") == ["haproxy"]
    assert alone.value("__balancer_services") == ["haproxy.service"]


def test_the_masked_places_are_those_of_the_web_hosts_log() -> None:
    places = re.compile(On().value("__balancer_secret_places"), re.IGNORECASE)
    for path in ("/rest/1/abcdef12/user.get", "/docs/pub/abcdef12/", "/pub/pay/12/abcdef12/", "//rest//7//abcdef12"):
        assert "abcdef12" not in places.sub(r"\1***", path), path
    assert places.sub(r"\1***", "/company/personal/user/1/") == "/company/personal/user/1/"


def test_the_page_of_health_asks_only_the_sites_own_hosts_in() -> None:
    text = On("w1").text("nginx-health.conf.j2")
    assert re.findall(r'"CN=(.*)" 1;', text) == ["b1", "b2", "w1", "w2"]
    assert "ssl_verify_client on;" in text and "server_name w1;" in text
    page = On("w1", balancer_web_shares=["/srv/portal/share"]).text("web_health.php.j2")
    assert 'foreach (["/srv/portal/share"] as $share)' in page


def test_the_health_checks_read_who_is_who() -> None:
    assert On("w1").value("__balancer_known") == cluster_balancer.SITE
    assert On("w1").value("__balancer_drained") == cluster_balancer.DRAINED
    assert On("w1").value("__balancer_of_site") == {
        **{"name": "portal.example.com", "address": "192.0.2.1", "certificate": "/etc/ssl/portal/fullchain.pem"},
        **{"balancers": {"b1": "192.0.2.2", "b2": "192.0.2.3"}, "web": {"w1": "192.0.2.11", "w2": "192.0.2.12"}},
    }


def page(tmp_path: Path, *shares: str, settings: str = "") -> str:
    """What the page of health says, made by real PHP with the pool's own open_basedir."""
    root = tmp_path / "www"
    (root / "bitrix").mkdir(parents=True)
    (root / "bitrix/.settings.php").write_text(settings or "<?php return [];")
    on = On("w1", balancer_web_shares=list(shares), balancer_web_document_root=str(root))
    path = tmp_path / "health.php"
    path.write_text(on.text("web_health.php.j2"))
    basedir = re.findall(r"open_basedir] = (\S+)", on.text("pool.conf.j2"))[0]
    basedir = basedir.replace(str(on.value("__balancer_page")), str(path))
    said = subprocess.run(["php", "-d", f"open_basedir={basedir}", path], capture_output=True, text=True, check=True)
    assert said.stderr == ""
    return said.stdout


def test_a_folder_that_nothing_is_mounted_on_is_no_share(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    assert page(tmp_path, str(share)) == "share\n"


def test_a_share_is_there_and_the_database_is_asked_next(tmp_path: Path) -> None:
    assert page(tmp_path, "/dev/shm") == "database\n"


def test_no_answer_shows_what_the_settings_hold(tmp_path: Path) -> None:
    login = "['host' => '127.0.0.1:1', 'login' => 'u', 'password' => 'Canary88', 'database' => 'd']"
    told = page(tmp_path, settings=f"<?php return ['connections' => ['value' => ['default' => {login}]]];")
    assert told == "database\n"
    (tmp_path / "broken").mkdir()
    assert page(tmp_path / "broken", settings="Canary88 <?php Canary88(") == "database\n"
