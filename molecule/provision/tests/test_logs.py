# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs are rotated while they are written to, and no line is lost."""

from __future__ import annotations

import json

import pytest
from portal_site import DOMAIN, python
from testinfra.host import Host

# Writes lines with a mark, rotates in the middle of it, and says how many were written and how many lie in the files.
ROTATE = """
import glob, gzip, http.client, json, ssl, subprocess, sys, threading, time, uuid

asked = json.loads(sys.stdin.readline())
mark = uuid.uuid4().hex
said = []

def rotate():
    said.append(subprocess.run(["logrotate", "--force", "/etc/logrotate.d/" + asked["rule"]]).returncode)

def requests():
    connection = http.client.HTTPSConnection("127.0.0.1", context=ssl._create_unverified_context())
    while True:
        connection.request("GET", "/%s.png" % mark, headers={"Host": asked["domain"]})
        connection.getresponse().read()
        yield

def entries():
    shell = ["runuser", "-u", "portal", "--", "sh", "-c", "echo %s >> %s" % (mark, asked["file"])]
    while True:
        subprocess.run(shell, check=True)
        yield

writer = {"requests": requests, "entries": entries}[asked["how"]]()
rotation = threading.Thread(target=rotate)
for number in range(asked["lines"]):
    if number == asked["lines"] // 3:
        rotation.start()
    next(writer)
rotation.join()
next(writer)

def count():
    found = {}
    for path in glob.glob(asked["file"] + "*"):
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as stream:
            found[path] = stream.read().count(mark.encode())
    return found

# A web server writes the line of a request after its answer is out: the last one may be on its way.
until = time.monotonic() + 20
found = count()
while sum(found.values()) <= asked["lines"] and time.monotonic() < until:
    time.sleep(0.05)
    found = count()
print(json.dumps([said, sum(found.values()), found[asked["file"]] > 0]))
"""


@pytest.mark.parametrize(
    ("rule", "file", "how", "lines"),
    [
        ("nginx", "/var/log/nginx/access.log", "requests", 300),
        ("portal", "/var/log/portal/exceptions.log", "entries", 60),
    ],
)
def test_no_line_is_lost(host: Host, rule: str, file: str, how: str, lines: int) -> None:
    asked = {"rule": rule, "file": file, "how": how, "lines": lines, "domain": DOMAIN}
    assert json.loads(python(host, ROTATE, json.dumps(asked))) == [[0], lines + 1, True]


@pytest.mark.parametrize("server", ["search engine", "PHP"])
def test_a_server_goes_on_in_the_new_file(host: Host, server: str) -> None:
    """Both say in their log that they have opened it anew, so that the new file has a line."""
    php = host.check_output("basename /etc/logrotate.d/php*-fpm")
    rule, file = {"search engine": ("sphinxsearch", "sphinxsearch/searchd.log"), "PHP": (php, f"{php}.log")}[server]
    host.check_output("echo a line >> %s && logrotate --force %s", f"/var/log/{file}", f"/etc/logrotate.d/{rule}")
    host.check_output("timeout 20 sh -c 'until test -s %s; do sleep 0.2; done'", f"/var/log/{file}")


def test_no_rule_copies_and_cuts_off(host: Host) -> None:
    """Between the copy and the cut, lines are lost."""
    assert host.run("grep -rl copytruncate /etc/logrotate.d /etc/logrotate.conf").stdout == ""


def test_every_log_has_a_rule(host: Host) -> None:
    said = host.run("logrotate --debug /etc/logrotate.conf").stderr
    covered = {line.rpartition(" ")[2] for line in said.splitlines() if line.startswith("considering log ")}
    logs = set(host.check_output("find /var/log -type f -name '*.log' -size +0").split())
    assert logs - covered == set()
