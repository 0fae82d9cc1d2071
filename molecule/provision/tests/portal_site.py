# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests share: the scenario's variables, and requests made on the host itself."""

from __future__ import annotations

import base64
import json
import os
import typing as t
from pathlib import Path

import yaml
from testinfra.host import Host

VARS = yaml.safe_load(Path(__file__).parent.parent.joinpath("vars", "site.yml").read_text())
DOMAIN = VARS["site_domain"]
ROOT = "/srv/portal/www"

# Runs on the host: each request over TLS to the portal's name, trusting what the host trusts.
_CLIENT = """
import base64, http.client, json, ssl, sys
answers = []
for request in json.loads(sys.stdin.readline()):
    kind = http.client.HTTPConnection if request.get("plain") else http.client.HTTPSConnection
    options = {} if request.get("plain") else {"context": ssl.create_default_context()}
    connection = kind(request.get("host", DOMAIN), timeout=20, **options)
    body = b"x" * request["size"] if "size" in request else None
    connection.request(request.get("method", "GET"), request["path"], body, request.get("headers", {}))
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    answers.append({"status": answer.status, "headers": {k.lower(): v for k, v in answer.getheaders()}, "text": text})
print(json.dumps(answers))
"""


class Answer(t.NamedTuple):
    """What the portal answered."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> dict[str, t.Any]:
        return dict(json.loads(self.text))


Ask = t.Callable[..., Answer]


def python(host: Host, source: str, line: str = "") -> str:
    """Run a program on the host, with one line on its standard input."""
    encoded = base64.b64encode(source.encode()).decode()
    program = f"import base64; exec(base64.b64decode('{encoded}'))"
    return host.check_output("printf '%%s\n' %s | /usr/bin/python3 -c %s", line, program)


def request(host: Host, requests: list[dict[str, t.Any]]) -> list[Answer]:
    """Many requests in one go; each is {path, method, headers, plain, host, size}."""
    output = python(host, f"DOMAIN = {DOMAIN!r}\n{_CLIENT}", json.dumps(requests))
    return [Answer(**answer) for answer in json.loads(output)]


def converge_log() -> str:
    """What Ansible has printed so far in this scenario, differences included."""
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ansible.log").read_text()
