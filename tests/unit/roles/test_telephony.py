# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role telephony writes, and what it refuses."""

from __future__ import annotations

import re
import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from unit.plugins.playbook import REPOSITORY

ROLE = REPOSITORY / "roles" / "telephony"
# A small office: phones, a queue, two numbers at one carrier.
LAB = yaml.safe_load("""
telephony_ami_events_password: lab-events-secret
telephony_ami_originate_password: lab-originate-secret
telephony_trunks:
  - {name: carrier, host: 127.0.0.9, port: 5080, addresses: [127.0.0.9]}
telephony_lines:
  - {number: "+74951000001", to: "101"}
  - {number: "+74951000002", to: "600"}
telephony_phones:
  - {number: "101", name: First, password: lab-phone-101}
  - {number: "102", name: Second, password: lab-phone-102}
  - {number: "103", name: Third, password: lab-phone-103}
telephony_queues:
  - {name: sales, number: "600", members: ["102", "103"], ring_seconds: 3, wait_seconds: 6}
telephony_outgoing:
  - {pattern: "_8XXXXXXXXXX", trunk: carrier, line: "+74951000001", strip: 1, prepend: "+7"}
""")
SECURE = {
    "telephony_name": "pbx.example.com",
    "telephony_certificate_file": "/etc/ssl/portal/fullchain.pem",
    "telephony_certificate_key_file": "/etc/ssl/portal/privkey.pem",
}


def templar(given: t.Mapping[str, t.Any]) -> Templar:
    loader = DataLoader()
    variables: dict[str, t.Any] = {}
    for place in ("defaults", "vars"):
        variables |= loader.load_from_file(str(ROLE / place / "main.yml"), trusted_as_template=True)
    return Templar(loader=loader, variables={**variables, **LAB, **given, "ansible_check_mode": False})


def written(name: str, **given: t.Any) -> str:
    """A file as the role writes it for the lab's office, with these variables instead."""
    return str(templar(given).template(trust_as_template((ROLE / "templates" / f"{name}.j2").read_text())))


def refusals(**given: t.Any) -> list[str]:
    problems = templar(given).template(trust_as_template("{{ __telephony_problems }}"))
    return [problem["text"] for problem in problems if problem["found"] in (True, "True")]


def sections(text: str) -> list[tuple[str, dict[str, str]]]:
    """Asterisk's sections in their order, some with the same name."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in text.splitlines():
        if match := re.match(r"\[([^]]+)\]", line):
            found.append((match[1], {}))
        elif found and "=" in line and not line.startswith((";", "#")):
            name, _equals, value = line.partition("=")
            found[-1][1][name.strip()] = value.lstrip(">").strip()
    return found


def test_without_a_certificate_nothing_listens_for_tls() -> None:
    assert [name for name, _values in sections(written("pjsip_transports.conf"))] == ["boxlift-udp"]
    assert dict(sections(written("http.conf")))["general"] == {
        "enabled": "no", "bindaddr": "127.0.0.1", "bindport": "8088"
    }  # fmt: skip


def test_tls_has_a_method_that_phones_of_today_speak() -> None:
    transports = dict(sections(written("pjsip_transports.conf", **SECURE)))
    assert list(transports) == ["boxlift-udp", "boxlift-tls", "boxlift-wss"]
    assert transports["boxlift-tls"]["method"] == "sslv23"
    http = dict(sections(written("http.conf", **SECURE)))["general"]
    assert (http["bindaddr"], http["tlsbindaddr"]) == ("127.0.0.1", "0.0.0.0:8089")
    assert http["tlscertfile"] == transports["boxlift-tls"]["cert_file"] == "/etc/asterisk/keys/boxlift.crt"


def test_behind_nat_every_transport_knows_the_address_outside() -> None:
    text = written("pjsip_transports.conf", telephony_external_address="203.0.113.7", **SECURE)
    for _name, values in sections(text):
        assert values["external_media_address"] == values["external_signaling_address"] == "203.0.113.7"
    assert text.count("local_net=") == 9 and "external" not in written("pjsip_transports.conf", **SECURE)


def test_every_endpoint_lets_its_audio_pass_here() -> None:
    """Else there is no recording. Phones inherit it from their template."""
    named = sections(written("pjsip.conf"))
    endpoints = [(name, values) for name, values in named if values.get("type") == "endpoint"]
    assert [name for name, _values in endpoints] == ["boxlift-phone", "carrier"]
    assert {values["direct_media"] for _name, values in endpoints} == {"no"}
    assert "[101](boxlift-phone)" in written("pjsip.conf")
    assert "anonymous" not in written("pjsip.conf") + "".join(
        templar({}).template(trust_as_template("{{ __telephony_modules }}"))
    )


def test_a_carrier_that_wants_a_login() -> None:
    trunk = {
        "name": "a",
        "host": "sip.example",
        "username": "u",
        "password": "p;q",
        "register": "true",
        "transport": "tls",
    }
    named = [
        values for name, values in sections(written("pjsip.conf", telephony_trunks=[trunk], **SECURE)) if name == "a"
    ]
    kinds = {values["type"]: values for values in named}
    assert set(kinds) == {"endpoint", "auth", "aor", "registration"}
    assert kinds["registration"]["server_uri"] == "sip:sip.example:5061"
    assert kinds["endpoint"]["media_encryption"] == "sdes"
    # A bare semicolon would end the password.
    assert kinds["auth"]["password"] == "p\\;q"


def test_a_name_cannot_break_out_of_its_quotes() -> None:
    phones = [{"number": "101", "name": 'A "B" <900>; C', "password": "p"}]
    assert 'callerid="A B 900 C" <101>' in written("pjsip.conf", telephony_phones=phones)


def test_a_line_is_understood_in_each_form_once() -> None:
    lines = [{"number": "+7495", "to": "101", "aliases": ["8495", "7495"]}, {"number": "7812", "to": "101"}]
    inside = (
        written("extensions.conf", telephony_lines=lines).partition("[boxlift-in]")[2].partition("[boxlift-phones]")[0]
    )
    assert re.findall(r"exten => ([^,]+),1,Gosub\(boxlift-begin,s,1\(in,([^,]+),1\)\)", inside) == [
        ("+7495", "+7495"), ("7495", "+7495"), ("8495", "+7495"), ("7812", "7812")
    ]  # fmt: skip


def test_a_line_that_is_not_recorded() -> None:
    assert "Gosub(boxlift-begin,s,1(in,+7495,0))" in written(
        "extensions.conf", telephony_lines=[{"number": "+7495", "to": "101", "record": "no"}]
    )


def test_calls_from_outside_reach_no_way_out() -> None:
    text = written("extensions.conf")
    for context in ("boxlift-in", "boxlift-inner"):
        body = text.partition(f"[{context}]")[2].partition("\n[")[0]
        assert "include" not in body and "@carrier" not in body and "boxlift-phones" not in body
    assert "Dial(PJSIP/+7${EXTEN:1}@carrier,120)" in text


def test_the_accounts_of_the_manager_interface_may_do_only_their_own() -> None:
    named = dict(sections(written("manager-users.conf")))
    assert (named["boxlift-events"]["read"], named["boxlift-events"]["write"]) == ("call,cdr,system", "")
    assert (named["boxlift-originate"]["read"], named["boxlift-originate"]["write"]) == ("", "originate")
    for values in named.values():
        assert (values["deny"], values["permit"]) == ("0.0.0.0/0.0.0.0", "127.0.0.1/255.255.255.255")
    assert dict(sections(written("manager.conf")))["general"]["bindaddr"] == "127.0.0.1"
    assert (
        sections(written("manager-users.conf", telephony_ami_events_password="", telephony_ami_originate_password=""))
        == []
    )


def test_the_record_has_the_fields_that_the_readme_names() -> None:
    mapping = dict(sections(written("cdr_custom.conf")))["mappings"]["boxlift.csv"]
    fields = re.findall(r"\$\{CSV_QUOTE\(\$\{CDR\((\w+)(?:,u)?\)\}\)\}", mapping)
    assert mapping.count("CSV_QUOTE") == len(fields) == 20
    readme = (ROLE / "README.md").read_text().partition("The fields of")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", readme)
    assert [name for name in dict.fromkeys(named) if name in fields] == fields


def test_carriers_and_the_office_are_never_shut_out() -> None:
    (line,) = [line for line in written("jail.local").splitlines() if line.startswith("ignoreip")]
    assert line == "ignoreip = 127.0.0.0/8 ::1 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 127.0.0.9"


def test_an_asterisk_of_the_customer_keeps_the_names_of_its_own_dial_plan() -> None:
    given = {"telephony_manage": "no", "telephony_cdr_variables": {"recording": "recordingfile"}}
    lines = {(line["file"], line["option"]): line["value"] for line in yaml.safe_load(written("join.yml", **given))}
    assert lines["cdr_manager.conf", "linkedid"] == "Linkedid"
    assert lines["cdr_manager.conf", "recordingfile"] == "BoxliftRecording"
    assert lines["cdr_manager.conf", "boxlift_line"] == "BoxliftLine"
    record = lines["cdr_custom.conf", "boxlift.csv"]
    assert record.startswith("${CSV_QUOTE(${CDR(linkedid)})},") and "(${CDR(recordingfile)})" in record
    # Our own dial plan knows no other names.
    assert "recordingfile" not in written("cdr_custom.conf", **{**given, "telephony_manage": "yes"})


CLI = {
    "manager show user boxlift-events": "  username: boxlift-events\n  read perm: system,call,cdr\n write perm: <none>",
    "manager show user boxlift-originate": "  username: boxlift-originate\n read perm: <none>\n write perm: originate",
    "module show like cdr_": "cdr_custom.so   CDR  0  Running  core\ncdr_manager.so  AMI  0  Running  core",
}


@pytest.mark.parametrize(
    ("asked", "answer", "said"),
    [
        ("manager show user boxlift-events", "There is no user called boxlift-events", ["does not read"]),
        ("manager show user boxlift-events", "read perm: call,cdr", ["does not read"]),
        ("module show like cdr_", "cdr_custom.so  CDR  0  Running  core", ["does not run"]),
        ("module show like cdr_", CLI["module show like cdr_"].replace("AMI  0  ", "AMI 0 Not "), ["does not run"]),
        ("module show like cdr_", CLI["module show like cdr_"], []),
    ],
)
def test_what_an_asterisk_of_the_customer_answers(asked: str, answer: str, said: list[str]) -> None:
    results = [{"__telephony_item": name, "stdout": text} for name, text in {**CLI, asked: answer}.items()]
    problems = templar({"__telephony_joined": {"results": results}}).template(
        trust_as_template("{{ __telephony_join_problems }}")
    )
    found = [problem["text"] for problem in problems if problem["found"] in (True, "True")]
    assert len(found) == len(said) and all(part in text for part, text in zip(said, found))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"telephony_queues": [{"name": "a", "number": "101", "members": []}], "telephony_lines": []},
            "use one number twice: 101, 101, 102",
        ),
        ({"telephony_lines": [{"number": "+7495", "to": "900"}]}, "lead to 900, which is neither"),
        ({"telephony_queues": [{"name": "a", "number": "600", "members": ["109"]}]}, "lead to 109,"),
        ({"telephony_trunks": []}, "uses the trunk carrier, which is not in telephony_trunks"),
        ({"telephony_certificate_file": "/c", "telephony_name": "a.example"}, "belong together"),
        ({**SECURE, "telephony_name": ""}, "telephony_name is empty"),
        (
            {"telephony_phones": [*LAB["telephony_phones"], {"number": "109", "password": "p", "transport": "wss"}]},
            "109 of",
        ),
        ({"telephony_rtp_first": "20000"}, "telephony_rtp_first is 20000"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_cannot_go_well_is_refused(given: dict[str, t.Any], said: str) -> None:
    (text,) = refusals(**given)
    assert said in text


def test_the_lab_is_not_refused() -> None:
    assert refusals() == [] and refusals(**SECURE) == []
