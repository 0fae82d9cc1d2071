#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: telephony_check
short_description: Check whether calls work, and whether each becomes a call fact in the portal
version_added: 0.2.0
description:
  - Looks at Asterisk on its own host, at the certificates on its ports, at the recordings, at the connector, and at
    what the portal knows of employees and lines.
  - Every finding says what was seen, what was expected, who puts it right and how. A check that cannot look says
    V(unknown) with the reason; one that was not given what it needs says V(skip).
  - Without O(calls) nothing is changed, neither on the exchange nor in the portal. To see whether a credential may
    register calls, a registration is sent that names no employee, which every portal refuses.
  - With O(calls) each call is followed from the exchange's record to the client's card. Its activity, and the client
    that was created for it, are deleted afterwards. Its row in the portal's statistics stays, because the REST
    interface cannot delete it.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: All checks are made; no call is, and none is awaited.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: Looking changes nothing; each run with O(calls) makes the calls again.
options:
  manager:
    description: Asterisk's manager interface (AMI), and the users that the connector logs in with.
    type: dict
    suboptions:
      host:
        description: Where AMI listens.
        type: str
        default: 127.0.0.1
      port:
        description: The port of AMI.
        type: int
        default: 5038
      users:
        description: Each user must have exactly these rights.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: The user.
            type: str
            required: true
          password:
            description: Its secret.
            type: str
            required: true
          read:
            description: The classes of events that it needs.
            type: list
            elements: str
            default: []
          write:
            description: The classes of actions that it needs.
            type: list
            elements: str
            default: []
  trunks:
    description: Names of the carriers' endpoints in C(pjsip.conf).
    type: list
    elements: str
    default: []
  phones:
    description: Names of the phones' endpoints.
    type: list
    elements: str
    default: []
  external_address:
    description: The address that carriers must be told for the sound; empty where the host has it itself.
    type: str
    default: ""
  tls:
    description: The certificate that phones and browsers meet.
    type: dict
    suboptions:
      name:
        description: The exchange's name.
        type: str
        required: true
      ports:
        description: The ports that show the certificate.
        type: list
        elements: int
        default: [5061, 8089]
      file:
        description: The file that Asterisk reads it from.
        type: path
      address:
        description: Where to connect to.
        type: str
        default: 127.0.0.1
  portal:
    description: The portal that the calls belong to.
    type: dict
    suboptions:
      webhook:
        description: Address of an incoming webhook, as C(https://portal.example.com/rest/USER/CODE/). It is secret.
        type: str
      rest:
        description: Address of the REST interface for an application, as C(https://portal.example.com/rest/).
        type: str
      token:
        description: The application's access token.
        type: str
      domain:
        description: The portal's name.
        type: str
      portal_url:
        description: >-
          What the portal's option C(portal_url) of module C(voximplant) holds; M(boxlift.portal.portal_option) reads it
          on the portal's host.
        type: str
      lines:
        description: Our numbers, as C(LINE_NUMBER) of the calls.
        type: list
        elements: str
        default: []
      outgoing_line:
        description: The default outgoing line that clicks on numbers need, such as V(REST_APP:3).
        type: str
        default: ""
      inner_numbers:
        description: The inner numbers that must belong to one employee each.
        type: list
        elements: str
        default: []
  recordings:
    description: The folder of the recordings.
    type: path
  reserve_mb:
    description: So much must stay free on the recordings' disk.
    type: int
    default: 2048
  records:
    description: The file of call records that role C(boxlift.portal.telephony) has written.
    type: path
  connector:
    description: The service that tells the portal of calls.
    type: dict
    suboptions:
      service:
        description: Its unit.
        type: str
        default: call-connector.service
      database:
        description: Its queue.
        type: path
      prefix:
        description: What stands before a call's identifier in the portal's C(EXTERNAL_CALL_ID), as V(pbx1-).
        type: str
        default: ""
  calls:
    description:
      - Test calls, one after the other. Their client must be a number that is in no employee's profile.
      - They need O(manager) (to dial), O(portal), O(recordings), O(records) and O(connector).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: How the finding is called.
        type: str
        required: true
      direction:
        description: Whether the client calls (V(in)) or is called (V(out)).
        type: str
        choices: [in, out]
        required: true
      client:
        description: The client's number.
        type: str
        required: true
      line:
        description: Our number.
        type: str
        default: ""
      result:
        description: How the call should end.
        type: str
        choices: [answered, missed, busy]
        default: answered
      queue:
        description: Whether it should go through a queue.
        type: bool
        default: false
      recorded:
        description: Whether an answered call should be recorded.
        type: bool
        default: true
      lead:
        description: Whether a client must be created for it.
        type: bool
        default: false
      dial:
        description: >-
          Fields of AMI's action Originate that make the call, such as C(Channel), C(Context), C(Exten) and
          C(Priority). Without it somebody makes the call by hand, while the module waits.
        type: dict
  call_seconds:
    description: So long a call, its call fact and its recording are each awaited.
    type: int
    default: 120
  ca_path:
    description: File or directory of CA certificates that are accepted beside the system's own.
    type: path
  timeout:
    description: Seconds that one connection or answer may take.
    type: int
    default: 15
  skip:
    description: Identifiers of checks to leave out; each shows as V(skip).
    type: list
    elements: str
    default: []
  fail_on:
    description:
      - Which findings make the task fail; they are returned either way.
      - V(fail) stands for failures alone, V(unknown) also for checks that could not look, V(warn) for everything that
        is not in order.
    type: str
    choices: [never, fail, unknown, warn]
    default: fail
seealso:
  - module: boxlift.portal.portal_health
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Check the exchange and its portal
  boxlift.portal.telephony_check:
    manager:
      users:
        - {name: boxlift-events, password: "{{ telephony_ami_events_password }}", read: [call, cdr, system]}
    trunks: [carrier]
    phones: ["101", "102"]
    tls:
      name: pbx.example.com
      file: /etc/asterisk/keys/pbx.pem
    portal:
      webhook: "{{ call_connector_webhook }}"
      domain: portal.example.com
      lines: ["+74951000001"]
      inner_numbers: ["101", "102"]
    recordings: /var/spool/asterisk/monitor
    records: /var/log/asterisk/cdr-custom/boxlift.csv
    connector:
      database: /var/lib/call-connector/calls.sqlite
      prefix: pbx1-
    fail_on: never
  register: telephony

- name: Two test calls, one of which a colleague makes from a mobile phone that is in no profile
  boxlift.portal.telephony_check:
    manager:
      users:
        - {name: boxlift-originate, password: "{{ telephony_ami_originate_password }}", write: [originate]}
    portal:
      webhook: "{{ call_connector_webhook }}"
    recordings: /var/spool/asterisk/monitor
    records: /var/log/asterisk/cdr-custom/boxlift.csv
    connector:
      prefix: pbx1-
    calls:
      - {name: mobile to sales, direction: in, client: "+79001112233", queue: true, lead: true}
      - name: manager to client
        direction: out
        client: "+79001112244"
        dial: {Channel: PJSIP/101, Context: boxlift-phones, Exten: "79001112244", Priority: "1"}
  register: test_calls

- name: Look at the certificates alone, and stop where one is old, wrong or not loaded again
  boxlift.portal.telephony_check:
    tls:
      name: pbx.example.com
      file: /etc/asterisk/keys/pbx.pem
    skip: [telephony.exchange]
"""

RETURN = r"""
findings:
  description: One finding for every check.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The check.
      type: str
    area:
      description: Always V(telephony).
      type: str
    status:
      description: V(pass), V(warn), V(fail), V(unknown) (could not look) or V(skip) (with the reason).
      type: str
    observed:
      description: What was seen, or why it could not be looked at.
      type: str
    expected:
      description: What should be seen.
      type: str
    remedy:
      description: What to do; empty when all is in order.
      type: str
    owner:
      description: Who does it, V(contractor), V(customer) or V(vendor).
      type: str
    reference:
      description: Where the expectation comes from.
      type: str
    blocks:
      description: Whom a failure keeps from working, V(some) or V(nobody).
      type: str
  sample:
    - id: telephony.trunks
      area: telephony
      status: fail
      observed: "carrier: Unregistered"
      expected: each trunk is registered with its carrier, or its carrier is reached and answers
      remedy: "Compare user, password and address with the carrier's letter; asterisk -rx 'pjsip send register NAME'"
      owner: customer
      reference: ""
      blocks: some
calls:
  description: One row for each test call.
  returned: when O(calls) is given, outside check mode
  type: list
  elements: dict
  sample:
    - name: mobile to sales
      direction: in
      line: ""
      result: answered
      queue: true
      recorded: true
      status: pass
      talk: 14
      facts: 1
      code: "200"
      call_id: externalCall.716f1cb73def9700a23842adf9c4c568.1773130779
      problems: []
      deleted: [activity 7943, lead 812]
summary:
  description: How many findings there are of each status.
  returned: always
  type: dict
  sample: {pass: 14, warn: 0, fail: 1, unknown: 0, skip: 1}
"""

import functools
import http.client
import socket
import time
import typing as t
import urllib.parse

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.finding import FAIL_ON, summarize
from ansible_collections.boxlift.portal.plugins.module_utils.health import runner
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import trusting_context
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import Connector, direct
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import connect
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check import planned_calls
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.context import TelephonyContext
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.manager import ManagerUser, session
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.rest import RestClient
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.served import look_at
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.sources import backlog_of, records_of
from ansible_collections.boxlift.portal.plugins.module_utils.units import MIB


def build_context(params: dict[str, t.Any]) -> TelephonyContext:
    manager, tls, portal, connector = (params[name] or {} for name in ("manager", "tls", "portal", "connector"))
    timeout, ca_path = params["timeout"], params["ca_path"] or ""
    ports = direct(tls.get("address", ""), tls.get("name", ""), timeout)
    return TelephonyContext(
        now=time.time,
        connect=connect,
        run_command=program.run,
        manager_connect=functools.partial(socket.create_connection, (manager["host"], manager["port"]), timeout)
        if manager
        else None,
        manager_users=tuple(
            ManagerUser(user["name"], user["password"], tuple(user["read"]), tuple(user["write"]))
            for user in manager.get("users", ())
        ),
        trunks=tuple(params["trunks"]),
        phones=tuple(params["phones"]),
        external_address=params["external_address"],
        name=tls.get("name", ""),
        tls_ports=tuple(tls.get("ports", ())),
        certificate_file=tls.get("file") or "",
        look=functools.partial(look_at, ports, ca_path),
        rest=rest_of(portal, direct("", "", timeout), ca_path),
        lines=tuple(portal.get("lines", ())),
        outgoing_line=portal.get("outgoing_line", ""),
        inner_numbers=tuple(portal.get("inner_numbers", ())),
        domain=portal.get("domain") or "",
        portal_url=portal.get("portal_url"),
        recordings=params["recordings"] or "",
        reserve_bytes=params["reserve_mb"] * MIB,
        records=functools.partial(records_of, params["records"]) if params["records"] else None,
        external_prefix=connector.get("prefix", ""),
        backlog=functools.partial(backlog_of, connector["database"]) if connector.get("database") else None,
        service=connector.get("service", ""),
    )


def rest_of(portal: dict[str, t.Any], connector: Connector, ca_path: str) -> tuple[RestClient, ...]:
    """The credentials that were given: the webhook first, which needs nothing outside the portal."""
    trusted = trusting_context(ca_path)
    clients = []
    if portal.get("webhook"):
        clients.append(RestClient(portal["webhook"], connector, trusted))
    if portal.get("rest"):
        clients.append(RestClient(portal["rest"], connector, trusted, portal["token"]))
    return tuple(clients)


def make_calls(params: dict[str, t.Any], context: TelephonyContext) -> list[planned_calls.Followed]:
    """The test calls, each followed to its end."""
    if context.records is None or not context.rest or not context.recordings or not context.external_prefix:
        raise BoxliftError(
            "Test calls cannot be followed without portal, recordings, records and connector.prefix.",
            "Give these options too.",
        )
    plans = [planned_calls.PlannedCall(**row) for row in params["calls"]]
    domain = urllib.parse.urlsplit((params["portal"] or {}).get("webhook") or params["portal"]["rest"]).hostname
    around = planned_calls.Surroundings(
        rest=context.rest[0],
        records=context.records,
        recordings=context.recordings,
        prefix=context.external_prefix,
        now=time.time,
        pause=lambda: time.sleep(1),
        dial=dialler(context),
        fetch=functools.partial(recording_at, domain or "", params["timeout"], params["ca_path"] or ""),
        patience=params["call_seconds"],
    )
    return planned_calls.follow_all(plans, around)


def dialler(context: TelephonyContext) -> t.Callable[[t.Mapping[str, str]], None] | None:
    """Makes calls as the first user that may; None if there is none."""
    connect_manager = context.manager_connect
    users = [user for user in context.manager_users if "originate" in user.write]
    if connect_manager is None or not users:
        return None

    def dial(fields: t.Mapping[str, str]) -> None:
        with session(connect_manager, users[0]) as manager:
            answer = manager.ask("Originate", **{name: str(value) for name, value in fields.items()}, Async="true")
        if answer["Response"] != "Success":
            raise BoxliftError(f"AMI does not dial: {answer.get('Message')}.", "See the fields of Originate.")

    return dial


def recording_at(domain: str, timeout: float, ca_path: str, url: str) -> bytes | None:
    """What the portal itself shows at this address without a login; None where it shows nothing, or is another host."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" or parts.hostname != domain:
        return None
    connection = http.client.HTTPSConnection(
        domain, parts.port or 443, timeout=timeout, context=trusting_context(ca_path)
    )
    try:
        connection.request("GET", urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, "")))
        response = connection.getresponse()
        kind = response.headers.get_content_type()
        return response.read() if response.status == 200 and kind != "text/html" else None
    finally:
        connection.close()


def run(module: AnsibleModule) -> None:
    params = module.params
    checks = runner.select(all_checks(), "host", skip=params["skip"])
    context = build_context(params)
    try:
        findings = runner.run(context, checks, params["skip"])
        followed = make_calls(params, context) if params["calls"] and not module.check_mode else []
    finally:
        context.close()
    findings += [each.finding() for each in followed]
    result = {
        "changed": bool(followed),
        **({"calls": [each.as_dict() for each in followed]} if followed else {}),
        "findings": [finding.as_dict() for finding in findings],
        "summary": summarize(findings),
    }
    wrong = [finding.id for finding in findings if finding.status in FAIL_ON[params["fail_on"]]]
    if wrong:
        module.fail_json(msg=f"{len(wrong)} of {len(findings)} checks are not in order: {', '.join(wrong)}.", **result)
    module.exit_json(**result)


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the secrets within its options."""


def main() -> None:
    texts: dict[str, t.Any] = {"type": "list", "elements": "str", "default": []}
    user = {
        "name": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "read": texts,
        "write": texts,
    }
    manager = {
        "host": {"type": "str", "default": "127.0.0.1"},
        "port": {"type": "int", "default": 5038},
        "users": {"type": "list", "elements": "dict", "required": True, "options": user},
    }
    tls = {
        "name": {"type": "str", "required": True},
        "ports": {"type": "list", "elements": "int", "default": [5061, 8089]},
        "file": {"type": "path"},
        "address": {"type": "str", "default": "127.0.0.1"},
    }
    portal = {
        "webhook": {"type": "str", "no_log": True},
        "rest": {"type": "str"},
        "token": {"type": "str", "no_log": True},
        "domain": {"type": "str"},
        "portal_url": {"type": "str"},
        "lines": texts,
        "outgoing_line": {"type": "str", "default": ""},
        "inner_numbers": texts,
    }
    connector = {
        "service": {"type": "str", "default": "call-connector.service"},
        "database": {"type": "path"},
        "prefix": {"type": "str", "default": ""},
    }
    call = {
        "name": {"type": "str", "required": True},
        "direction": {"type": "str", "choices": ["in", "out"], "required": True},
        "client": {"type": "str", "required": True},
        "line": {"type": "str", "default": ""},
        "result": {"type": "str", "choices": list(planned_calls.RESULTS), "default": "answered"},
        "queue": {"type": "bool", "default": False},
        "recorded": {"type": "bool", "default": True},
        "lead": {"type": "bool", "default": False},
        "dial": {"type": "dict"},
    }
    module = Module(
        argument_spec={
            "calls": {"type": "list", "elements": "dict", "options": call, "default": []},
            "call_seconds": {"type": "int", "default": 120},
            "manager": {"type": "dict", "options": manager},
            "trunks": texts,
            "phones": texts,
            "external_address": {"type": "str", "default": ""},
            "tls": {"type": "dict", "options": tls},
            "portal": {"type": "dict", "options": portal, "required_together": [["rest", "token"]]},
            "recordings": {"type": "path"},
            "reserve_mb": {"type": "int", "default": 2048},
            "records": {"type": "path"},
            "connector": {"type": "dict", "options": connector},
            "ca_path": {"type": "path"},
            "timeout": {"type": "int", "default": 15},
            "skip": texts,
            "fail_on": {"type": "str", "choices": list(FAIL_ON), "default": "fail"},
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
