# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove that a pre-production copy reaches nobody: prove-silence ACCOUNT FOLDER

Sends a letter, a push message and a webhook as the portal's account would, to addresses that nobody has (RFC 5737), and
looks for them in the sink. Ends with 1, and says why, where one is missing or anything left the host.
"""

from __future__ import annotations

import json
import pathlib
import secrets
import socket
import subprocess
import sys
import time

# Nobody has these; a firewall that lets them out would be seen by its counter.
OUTSIDE, OTHER = "203.0.113.9", "198.51.100.7"
PATIENCE = 20


def main(account: str, folder: pathlib.Path) -> int:
    token = f"canary-{secrets.token_hex(8)}"
    before = left()
    problems = [
        *send_mail(account, token),
        *send_http("push", OUTSIDE, 8895, "POST /bitrix/pub/?CHANNEL_ID=", f"{token}-push"),
        *send_http("webhook", OTHER, 80, "GET /hook?", f"{token}-webhook"),
        *ask_by_udp(),
    ]
    deadline = time.monotonic() + PATIENCE
    missing = {f"{token}-{kind}" for kind in ("mail", "push", "webhook")}
    while missing and time.monotonic() < deadline:
        missing -= {name for name in missing if name in caught(folder)}
        time.sleep(0.2)
    problems += [
        f"{name} did not arrive in the sink; look at systemctl status boxlift-sink" for name in sorted(missing)
    ]
    after = left()
    if after != before or after:
        problems.append(
            f"{after} packets left this host without permission; look at nft list table inet boxlift_egress"
        )
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"mail, push and webhook of {token} ended in the sink; nothing has left this host")
    return 1 if problems else 0


def left() -> int:
    command = ["nft", "--json", "list", "counter", "inet", "boxlift_egress", "left"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return next(int(each["counter"]["packets"]) for each in answer["nftables"] if "counter" in each)


def send_mail(account: str, token: str) -> list[str]:
    code = f'exit(mail("canary@example.com", "{token}-mail", "A letter that must not leave.") ? 0 : 1);'
    done = subprocess.run(
        ["runuser", "-u", account, "--", "php", "-r", code], capture_output=True, text=True, check=False
    )
    return [] if done.returncode == 0 else [f"PHP could not hand its letter over: {done.stdout}{done.stderr}".strip()]


def send_http(what: str, host: str, port: int, begin: str, token: str) -> list[str]:
    request = f"{begin}{token} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n".encode()
    try:
        with socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(request)
            answer = connection.recv(1000)
    except OSError as problem:
        return [f"{what}: {problem}, instead of the sink's answer"]
    return [] if b"X-Sink: " in answer else [f"{what}: {host}:{port} was answered by another than the sink: {answer!r}"]


def ask_by_udp() -> list[str]:
    """A question to a name server of elsewhere must be refused, not swallowed by the network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as question:
        try:
            question.sendto(b"\0" * 17, (OUTSIDE, 53))
        except OSError:
            return []
    return ["a UDP packet was sent without the firewall refusing it; look at nft list table inet boxlift_egress"]


def caught(folder: pathlib.Path) -> str:
    log = folder / "caught.jsonl"
    return log.read_text(encoding="utf-8") if log.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2])))
