# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role telephony_check on a host without an exchange, against the simulated portal."""

from __future__ import annotations

import json
import pathlib

import pytest
from lab.authority import Authority
from lab.rest.service import CODE
from lab.telephony.server import TelephonyServer
from unit.plugins.playbook import run_playbook

PLAYBOOK = """
- name: Look, and go on in any case
  hosts: localhost
  gather_subset: ["!all", "!min", platform]
  roles:
    - boxlift.portal.telephony_check
  tasks:
    - name: Write the findings down
      ansible.builtin.copy:
        content: "{{ telephony_check_findings | to_json }}"
        dest: "{{ playbook_dir }}/findings.json"
        mode: "0600"

- name: Look again, and stop
  hosts: localhost
  gather_facts: false
  roles:
    - role: boxlift.portal.telephony_check
      telephony_check_fail_on: fail
"""


@pytest.mark.slow
def test_lines_are_added_once_and_a_finding_may_stop_the_run(tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path / "ca")
    issued = authority.issue("127.0.0.1")
    with TelephonyServer(certificate=issued.certificate, key=issued.key) as server:
        server.portal.add_user(1, "Anna", "101")
        variables = {
            "site_telephony_webhook": server.webhook(1),
            "site_domain": "portal.example.com",
            "call_connector_ca_path": str(authority.certificate),
            "telephony_trunks": [{"name": "carrier"}],
            "telephony_lines": [{"number": "+74951000001"}],
            "telephony_phones": [{"number": "101"}, {"number": "102"}],
            "telephony_ami_events_password": "canary-of-ami",
            "telephony_check_service": "",
            "telephony_check_recordings": "",
        }
        result = run_playbook(tmp_path, PLAYBOOK, "-e", json.dumps(variables))
        lines = [row["NUMBER"] for row in server.service.state()["lines"]]
    output = result.stdout + result.stderr
    assert result.returncode == 2, output
    # Only the first of the two runs had a line to add.
    assert lines == ["+74951000001"] and output.count("changed: [localhost]") == 2  # the other one wrote the findings
    findings = {each["id"]: each for each in json.loads((tmp_path / "findings.json").read_text())}
    assert findings["telephony.exchange"]["status"] == "unknown"  # there is no Asterisk here
    assert findings["telephony.lines"]["status"] == "pass"
    assert findings["telephony.inner_numbers"]["observed"] == "in no profile: 102"
    assert findings["telephony.portal_url"]["status"] == "skip"
    assert "FAIL telephony.inner_numbers: in no profile: 102" in output
    assert "1 checks of the telephony are not in order: telephony.inner_numbers." in output
    assert [secret for secret in (CODE, "canary-of-ami") if secret in output] == []
