# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests share: the scenario's variables, where the host is, and publishing as the portal does it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import yaml
from testinfra.host import Host

WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
SCENARIOS = Path(__file__).parent.parent.parent
VARS = {
    name: value
    for scenario in ("provision", "health")
    for name, value in yaml.safe_load(SCENARIOS.joinpath(scenario, "vars", "site.yml").read_text()).items()
}
DOMAIN, KEY = VARS["site_domain"], VARS["site_push_key"]
_COUNT = """
import json, sys, urllib.request
url = "http://127.0.0.1:8895/bitrix/pub/?CHANNEL_ID=" + sys.argv[1]
print(json.load(urllib.request.urlopen(url, timeout=10))["infos"][0]["subscribers"])
"""
_PUBLISH = """
import sys, urllib.request
for number in range(int(sys.argv[3])):
    url = "http://127.0.0.1:8895/bitrix/pub/?CHANNEL_ID=" + sys.argv[1]
    body = sys.argv[2].replace("NUMBER", str(number)).encode()
    assert urllib.request.urlopen(urllib.request.Request(url, body), timeout=10).read() == b""
"""


def address(host: Host) -> str:
    variables = host.ansible.get_variables()
    return str(variables["lab_names"][variables["inventory_hostname"]])


def wait_for_listeners(host: Host, channel: str, count: int) -> None:
    """Until so many listen; the portal asks so who is online."""
    until = time.monotonic() + 30
    while int(host.check_output("python3 -c %s %s", _COUNT, channel)) < count:
        assert time.monotonic() < until, f"fewer than {count} listen to the channel"
        time.sleep(0.1)


def publish(host: Host, channel: str, text: str, times: int = 1) -> None:
    """As the portal does it, on its host."""
    host.check_output("python3 -c %s %s %s %s", _PUBLISH, channel, text, str(times))
