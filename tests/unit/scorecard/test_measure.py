# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scorecard: what its controls see of a host, how it counts, and what it writes."""

from __future__ import annotations

import re
import subprocess
import typing as t

import pytest
from scorecard import measure
from scorecard.control import CONTROLS, NOT_APPLICABLE, NOT_TAKEN, PASS, Control, Host, NotApplicable, Score, score

SSHD = (
    "port 22\naddressfamily any\npermitrootlogin without-password\nmaxauthtries 2\nmaxstartups 10:30:60\n"
    "ciphers aes256-ctr,chacha20-poly1305@openssh.com\nhostkey /etc/ssh/ssh_host_ed25519_key\nlogingracetime 30\n"
)
NGINX = """# configuration file /etc/nginx/nginx.conf:
http {
    server_tokens off;
    keepalive_timeout 65s; client_header_timeout 10; client_body_timeout 1m; send_timeout 60s;
    map $request_uri $frames { default SAMEORIGIN; }
    server {
        client_max_body_size 1g;
        limit_conn_zone $binary_remote_addr zone=a:10m; limit_conn a 100;
        add_header X-Frame-Options $frames always;
        add_header X-Content-Type-Options nosniff always;
    }
}
"""
ANSWERS = {
    "/usr/sbin/sshd -T": SSHD,
    "nginx -T": NGINX,
    "ps -C nginx -o user=,args=": "root nginx: master process\nwww-data nginx: worker process\n",
    "ps -C nginx -o args=": "nginx: master process\nnginx: worker process\n",
    "stat --dereference --format=%U %G %a /etc/nginx/nginx.conf": "root root 640\n",
    "stat --dereference --format=%U %G %a /etc/shadow": "root shadow 640\n",
    "stat --dereference --format=%U %G %a /etc/crontab": "root root 600\n",
    "test -e /etc/crontab": "",
    "cat /etc/login.defs": (
        "# UMASK 022\nUMASK 027\nPASS_MAX_DAYS 60\nPASS_MIN_DAYS 7\nPASS_WARN_AGE 7\nLOGIN_RETRIES 5\n"
        "LOGIN_TIMEOUT 60\nUID_MIN 1000\nGID_MIN 1000\n"
    ),
    "cat /etc/passwd": "root:x:0:0\nportal:x:999:999\n",
    "cat /etc/group": "root:x:0:\nportal:x:999:\n",
    "find /usr /bin /sbin -perm /6000 -type f": "/usr/bin/su\n/usr/bin/passwd\n",
}


class Told(Host):
    """A host that answers what a test has written down; every other command fails."""

    answers: t.ClassVar[dict[str, str]] = {}

    def _run(self, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        answer = self.answers.get(" ".join(command))
        return subprocess.CompletedProcess(command, 0 if answer is not None else 1, answer or "", "")


def judged(name: str, **changed: str) -> Score:
    """A control on the good host, with other answers to the commands that hold these words."""
    (each,) = [control for control in CONTROLS if control.id == name]

    class Changed(Told):
        answers = {
            command: next((text for words, text in changed.items() if words in command), answer)
            for command, answer in ANSWERS.items()
        }

    return score(Changed("box"), each)


@pytest.mark.parametrize(
    ("name", "command", "answer", "told"),
    [
        ("nginx-01", "user=,args=", "root nginx: worker process\n", "workers of root"),
        ("nginx-02", "nginx.conf", "root root 644\n", "root:root 0644"),
        ("nginx-04", "-o args=", "nginx: master process\n" * 2, "2 master processes"),
        ("nginx-05", "nginx", NGINX.replace("server_tokens off;", ""), "server_tokens is not off"),
        ("nginx-07 (time-outs)", "nginx", NGINX.replace("timeout 10;", "timeout 2m;"), "client_header_timeout 2m"),
        ("nginx-07 (connections)", "nginx", NGINX.replace("limit_conn a 100;", ""), "no limit_conn"),
        ("nginx-08", "nginx", NGINX.replace("SAMEORIGIN", "x"), "X-Frame-Options is missing"),
        ("nginx-10", "nginx", NGINX.replace("nosniff", "x"), "nosniff is missing"),
        ("sshd-01", "sshd", SSHD.replace("aes256-ctr", "3des-cbc"), "ciphers has 3des-cbc"),
        ("sshd-06", "sshd", SSHD.replace("without-password", "yes"), "permitrootlogin yes"),
        ("sshd-14", "sshd", SSHD.replace("ed25519", "dsa"), "/etc/ssh/ssh_host_dsa_key"),
        ("sshd-19", "sshd", SSHD.replace("tries 2", "tries 6"), "maxauthtries 6"),
        ("sshd-21", "sshd", SSHD.replace("10:30:60", "10:30:600"), "10:30:600"),
        ("os-02", "shadow", "root shadow 644\n", "root:shadow 0644"),
        ("os-05", "login.defs", ANSWERS["cat /etc/login.defs"].replace("K 027", "K 022"), "UMASK 022"),
        ("os-06", "find", "/usr/bin/su\n/usr/lib/openssh/ssh-keysign\n", "/usr/lib/openssh/ssh-keysign"),
        ("os-07", "passwd", "root:x:0:0\nother:x:0:0\n", "0 in /etc/passwd"),
        ("os-13", "stat", "root root 644\n", "/etc/crontab 0644"),
    ],
)
def test_a_control_holds_on_a_good_host_and_sees_what_is_wrong(name: str, command: str, answer: str, told: str) -> None:
    assert judged(name).status == PASS
    wrong = judged(name, **{command: answer})
    assert (wrong.status, told in wrong.told) == (NOT_TAKEN, True), wrong.told


def test_what_does_not_apply_says_why_and_is_not_counted() -> None:
    assert judged("nginx-06") == Score(
        next(each for each in CONTROLS if each.id == "nginx-06"),
        NOT_APPLICABLE,
        "a portal takes files of 1024 MiB; the buffers for headers are nginx's own",
    )
    assert judged("sshd-31").told == "this sshd has no kerberosorlocalpasswd"


def test_a_command_that_fails_is_an_error_and_no_pass() -> None:
    (each,) = [control for control in CONTROLS if control.id == "mysql-conf-01"]
    with pytest.raises(subprocess.CalledProcessError):
        score(Told("box"), each)


def test_every_control_of_the_four_baselines_is_there_once() -> None:
    names = [each.id for each in CONTROLS]
    assert len(names) == len(set(names))
    count = {
        baseline: sum(each.baseline == baseline for each in CONTROLS) for baseline in ("nginx", "mysql", "ssh", "os")
    }
    assert count == {"nginx": 11, "mysql": 17, "ssh": 47, "os": 24}


def made(*statuses: str) -> list[Score]:
    def look(_host: Host) -> str:
        raise NotApplicable("never asked")

    return [
        Score(Control("ssh", f"sshd-{number:02}", "a | b", look), status, "why")
        for number, status in enumerate(statuses)
    ]


def test_counts_what_applies() -> None:
    scores = made(PASS, NOT_TAKEN, NOT_APPLICABLE, PASS)
    assert measure.shares(scores, "ssh") == (2, 3)
    assert "| dev-sec ssh | 2 | 3 | 67% |" in measure.table(scores, {"nginx.service": 2.5}, [80])
    assert "| sshd-01 | a \\| b | not taken | why |" in measure.table(scores, {}, [])


def test_says_where_the_aim_is_missed() -> None:
    good = made(*([PASS] * 19), NOT_TAKEN)
    assert measure.misses(good, {"nginx.service": 4.5}, [22, 80, 443]) == []
    assert measure.misses(good, {"nginx.service": 4.6}, [80]) == ["nginx.service is exposed by 4.6"]
    assert measure.misses(good, {}, [80, 3306]) == ["open ports: [80, 3306]"]
    assert measure.misses(made(*([PASS] * 18), NOT_TAKEN), {}, []) == ["dev-sec ssh: 18 of 19"]


def test_the_table_goes_between_its_markers_and_nowhere_else() -> None:
    page = f"before\n{measure.BEGIN}\nold\n{measure.END}\nafter\n"
    placed = measure.placed(page, "new\n")
    assert placed == f"before\n{measure.BEGIN}\nnew\n{measure.END}\nafter\n"
    assert measure.placed(placed, "new\n") == placed
    with pytest.raises(ValueError, match="scorecard ends"):
        measure.placed(f"{measure.BEGIN}\n", "new")


def test_the_scan_finds_an_open_port_and_no_closed_one() -> None:
    """The program that a neighbour runs, on this machine's own address and a few ports."""
    import socket
    import sys

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        few = re.sub(r"range\(1, 65536, 4096\)", f"range({port - 2}, {port + 2}, 4096)", measure.SCAN)
        few = few.replace("min(first + 4096, 65536)", f"{port + 2}")
        assert few != measure.SCAN
        done = subprocess.run([sys.executable, "-c", few, "127.0.0.1"], capture_output=True, text=True, check=True)
    assert str(port) in done.stdout.split()
