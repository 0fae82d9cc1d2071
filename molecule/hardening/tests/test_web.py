# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has a way to put a file on the portal gets no further, and who floods it keeps nobody else out.

Each test that something fails shows first that the same thing would work elsewhere.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import typing as t
import uuid
from pathlib import Path

import pytest
from testinfra.host import Host

sys.path.insert(0, str(Path(__file__).parents[2] / "provision" / "tests"))

from portal_site import DOMAIN, ROOT, VARS, Answer, python, request
from test_mail import RELAY

Put = t.Callable[[dict[str, str]], None]

PUT = """
import json, os, pwd
portal = pwd.getpwnam("portal")
for path, content in json.loads(input()).items():
    missing = []
    while not os.path.isdir(folder := os.path.dirname(missing[-1] if missing else path)):
        missing.append(folder)
    for folder in reversed(missing):
        os.mkdir(folder, 0o755)
    with open(path, "w") as stream:
        stream.write(content)
    for made in [*missing, path]:
        os.chown(made, portal.pw_uid, portal.pw_gid)
"""

# The sum is in the answer only where PHP ran.
SHELL = "<?php echo 'ran ', 6 * 7, ' times';"
RAN = "ran 42 times"
WRITTEN = (
    "upload",
    "upload/iblock/a1b",
    "upload/tmp",
    "bitrix/cache/s1",
    "bitrix/managed_cache/MYSQL",
    "bitrix/stack_cache",
    "bitrix/local_cache",
    "bitrix/html_pages",
    "bitrix/tmp",
    "bitrix/images",
    "bitrix/backup",
    "bitrix/modules/main",
    "bitrix/php_interface",
    "bitrix/updates",
)
NAMES = ("x.php", "X.PHP", "x.phtml", "x.php5", "x.pht", "x.phar", "x.php.jpg", "x.jpg", "x.inc")
# Follows the name in the address.
TRICKS = ("/foo.jpg", "/.php", "/x.php", ";.php", "%00.php", "%20", "?x.php")
OFF = ["exec", "passthru", "shell_exec", "system", "proc_open", "popen", "pcntl_exec", "pcntl_fork", "dl", "putenv"]


@pytest.fixture
def put(host: Host) -> t.Iterator[Put]:
    """Write files as the portal's account for one test; a path without a leading slash is one of the document root."""
    written: list[str] = []

    def run(files: dict[str, str]) -> None:
        """All in one go."""
        targets = {path if path.startswith("/") else f"{ROOT}/{path}": content for path, content in files.items()}
        written.extend(targets)
        python(host, PUT, json.dumps(targets))

    yield run
    python(host, "import os, json; [os.remove(path) for path in set(json.loads(input()))]", json.dumps(written))


def page(host: Host, put: Put, code: str) -> t.Any:
    """What a page of the portal's own answers, as PHP sees it."""
    put({"hardening-probe.php": f"<?php header('Content-Type: application/json'); echo json_encode({code});"})
    answer = request(host, [{"path": "/hardening-probe.php"}])[0]
    assert answer.status == 200, answer
    return json.loads(answer.text)


def php_service(host: Host) -> str:
    return "php8.4-fpm" if host.system_info.release.startswith("13") else "php8.2-fpm"


def test_the_services_are_confined(host: Host) -> None:
    services = ["nginx", php_service(host)]
    said = host.check_output("systemd-analyze security --no-pager %s %s", *services)
    levels = re.findall(r"Overall exposure level for (\S+)\.service: ([0-9.]+)", said)
    assert [name for name, _level in levels] == services
    assert {name: level for name, level in levels if float(level) > 4.5} == {}


def test_a_planted_shell_does_not_run(host: Host, put: Put) -> None:
    put({"hardening-shell.php": SHELL})
    put({f"{folder}/hardening/{name}": SHELL for folder in WRITTEN for name in NAMES})
    names = [*NAMES, *(f"x.php{trick}" for trick in TRICKS), "x.jpg/x.php", "x.jpg%00.php"]
    paths = [f"/{folder}/hardening/{name}" for folder in WRITTEN for name in names]
    control, *answers = request(host, [{"path": path} for path in ["/hardening-shell.php", *paths]])
    assert control.text == RAN
    assert [path for path, answer in zip(paths, answers) if RAN in answer.text] == []
    assert [(path, answer.status) for path, answer in zip(paths, answers) if answer.status >= 500] == []


def test_settings_among_the_files_change_nothing(host: Host, put: Put) -> None:
    put({"hardening/probe.php": "<?php echo 'page';"})
    put({"hardening/shell.txt": SHELL})
    put({"hardening/.user.ini": f"auto_prepend_file={ROOT}/hardening/shell.txt\n"})
    put({"upload/hardening/.htaccess": "AddType application/x-httpd-php .jpg\nAddHandler php .jpg\n"})
    put({"upload/hardening/x.jpg": SHELL})
    host.check_output("systemctl reload %s", php_service(host))
    probe, image = request(host, [{"path": "/hardening/probe.php"}, {"path": "/upload/hardening/x.jpg"}])
    assert probe.text == "page"
    assert RAN not in image.text


def test_links_lead_only_to_what_their_owner_owns(host: Host, put: Put) -> None:
    put({"upload/hardening/own.txt": "own"})
    links = {"own": f"{ROOT}/upload/hardening/own.txt", "foreign": "/etc/hostname"}
    for name, target in links.items():
        link = f"{ROOT}/upload/hardening/link-{name}.txt"
        host.check_output("ln -sfn %s %s && chown -h portal:portal %s", target, link, link)
    try:
        own, foreign = request(host, [{"path": f"/upload/hardening/link-{name}.txt"} for name in links])
    finally:
        host.check_output(f"rm {ROOT}/upload/hardening/link-*.txt")
    assert (own.status, own.text) == (200, "own")
    assert foreign.status in (403, 404)
    assert host.check_output("cat /etc/hostname").strip() not in foreign.text


def test_pages_run_no_programs(host: Host, put: Put) -> None:
    names = json.dumps([*OFF, "mail", "curl_init"])
    found = page(host, put, f"array_values(array_filter(json_decode('{names}'), 'function_exists'))")
    assert found == ["mail", "curl_init"]
    assert page(host, put, "class_exists('FFI') ? ini_get('ffi.enable') : '0'") in ("", "0")
    put({"hardening-system.php": "<?php echo 'before '; system('id'); echo 'after';"})
    text = request(host, [{"path": "/hardening-system.php"}])[0].text
    assert "uid=" not in text and "after" not in text


def test_the_agents_of_cron_run_no_programs(host: Host) -> None:
    # 255, with which PHP ends, would mean that SSH failed.
    said = host.run("runuser -u portal -- php -r 'echo 1 + 1; system(\"echo ran by $((1 + 1))\");' || exit 1")
    assert said.stdout.startswith("2")
    assert "ran by 2" not in said.stdout + said.stderr
    assert "undefined function system()" in said.stdout + said.stderr
    # What makes them undefined, not the lack of a shell.
    by_hand = host.run("runuser -u portal -- php -d disable_functions= -r 'system(\"echo ran by $((1 + 1))\");'")
    assert by_hand.stdout == "ran by 2\n"


def test_the_portals_account_has_no_crontab(host: Host) -> None:
    said = host.run("echo '* * * * * true' | runuser -u portal -- crontab -")
    assert said.rc != 0
    assert "not allowed" in said.stderr


def test_pages_see_the_portal_alone(host: Host, put: Put) -> None:
    put({"upload/hardening/seen.txt": "seen"})
    code = (
        "['own' => @file_get_contents(__DIR__ . '/upload/hardening/seen.txt'), 'authorities' => "
        "strlen((string) @file_get_contents('/etc/ssl/certs/ca-certificates.crt')), 'passwd' => "
        "@file_get_contents('/etc/passwd'), 'mail' => @file_get_contents('/etc/msmtprc'), "
        "'folder' => @scandir('/etc'), 'include' => @ini_get('allow_url_include')]"
    )
    seen = page(host, put, code)
    assert seen["own"] == "seen" and seen["authorities"] > 1000
    assert (seen["passwd"], seen["mail"], seen["folder"]) == (False, False, False)
    assert seen["include"] in ("", "0")


def test_pages_write_into_a_tree_that_was_switched_in(host: Host, put: Put) -> None:
    """What systemd lets PHP write is a folder's name, not the folder that had it when PHP started."""
    put({"hardening-write.php": "<?php echo (int) @file_put_contents(__DIR__ . '/upload/hardening.txt', 'written');"})
    host.check_output("cd /srv/portal && cp -a www next && mv www before && mv next www")
    try:
        assert request(host, [{"path": "/hardening-write.php"}])[0].text == "7"
        assert host.check_output(f"cat {ROOT}/upload/hardening.txt") == "written"
    finally:
        host.check_output("cd /srv/portal && rm -r www && mv before www")
    put({"hardening-outside.php": "<?php echo json_encode([@file_put_contents('/usr/local/share/hardening', 'x')]);"})
    assert request(host, [{"path": "/hardening-outside.php"}])[0].text == "[false]"


UPLOAD = """<?php
$sent = $_FILES['picture'];
$kept = __DIR__ . '/upload/hardening-picture.png';
$moved = move_uploaded_file($sent['tmp_name'], $kept);
$picture = imagecreatefrompng($kept);
$small = imagescale($picture, 10);
$thumbnail = __DIR__ . '/upload/hardening-thumbnail.jpg';
$made = imagejpeg($small, $thumbnail);
$size = getimagesize($thumbnail);
$zip = new ZipArchive();
$zip->open(__DIR__ . '/bitrix/tmp/hardening.zip', ZipArchive::CREATE) && $zip->addFile($kept, 'a.png') && $zip->close();
$zipped = filesize(__DIR__ . '/bitrix/tmp/hardening.zip') > 0;
array_map('unlink', [$kept, $thumbnail, __DIR__ . '/bitrix/tmp/hardening.zip']);
echo json_encode([$moved, $made, $size[0], $zipped, curl_init() !== false, (bool) session_start()]);
"""
# Sends a picture as a browser's form does.
SEND = """
import base64, http.client, json, ssl, sys
body = b"--b\\r\\nContent-Disposition: form-data; name=\\"picture\\"; filename=\\"a.png\\"\\r\\n\\r\\n"
body += base64.b64decode(PICTURE) + b"\\r\\n--b--\\r\\n"
connection = http.client.HTTPSConnection(DOMAIN, timeout=20, context=ssl.create_default_context())
connection.request("POST", "/hardening-upload.php", body, {"Content-Type": "multipart/form-data; boundary=b"})
print(connection.getresponse().read().decode())
"""
PICTURE = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000d49444154789c63f8cfc0f01f00050001ff89993d1d0000000049454e44ae426082"
    )
).decode()


def test_uploads_thumbnails_and_archives_work(host: Host, put: Put) -> None:
    put({"hardening-upload.php": UPLOAD})
    host.check_output("install -d -o portal -g portal %s", f"{ROOT}/bitrix/tmp")
    said = python(host, f"DOMAIN = {DOMAIN!r}\nPICTURE = {PICTURE!r}\n{SEND}")
    assert json.loads(said) == [True, True, 10, True, True, True]


def test_mail_of_a_page_arrives(host: Host, put: Put) -> None:
    put({"hardening-mail.php": "<?php var_dump(mail('a@example.com', 'canary', 'Hello', '', '-f b@example.com'));"})
    client = (
        "import ssl, http.client; c = http.client.HTTPSConnection('" + DOMAIN + "', timeout=30, "
        "context=ssl.create_default_context()); c.request('GET', '/hardening-mail.php'); print(c.getresponse().read())"
    )
    command = re.compile(r'\["runuser".*?\]')
    assert len(command.findall(RELAY)) == 1
    relay = command.sub(lambda _match: json.dumps(["/usr/bin/python3", "-c", client]), RELAY)
    arguments = ["/etc/ssl/portal/fullchain.pem", "/etc/ssl/portal/privkey.pem", str(VARS["portal_mail_port"])]
    seen = json.loads(python(host, f"import sys; sys.argv[1:] = {arguments!r}\n{relay}").splitlines()[-1])
    assert "Subject: canary" in seen["message"], seen


def test_mail_starts_no_other_program(host: Host, put: Put) -> None:
    """The mail client's own configuration can name programs, and the caller of mail() could name the configuration."""
    configuration = "account default\nhost 127.0.0.1\nport 9\nfrom a@example.com\nauth on\nuser a\n"
    put({"/srv/portal/tmp/hardening-evil": f"{configuration}passwordeval touch /srv/portal/tmp/hardening-pwned\n"})
    evil = "-C /srv/portal/tmp/hardening-evil"
    host.run(f"echo x | runuser -u portal -- /usr/sbin/sendmail {evil} someone@example.com")
    assert host.run("rm /srv/portal/tmp/hardening-pwned").rc == 0, "the trick itself works"
    page(host, put, f"@mail('someone@example.com', 'x', 'x', '', '{evil}')")
    assert not host.file("/srv/portal/tmp/hardening-pwned").exists


# Another one in each run: the logs stay.
TOKEN = f"canary{uuid.uuid4().hex}"
SECRETS = (
    f"/rest/1/{TOKEN}/crm.deal.list.json?start=50",
    f"//rest//17//{TOKEN}/profile",
    f"/rest/user.current.json?auth={TOKEN}&x=1",
    f"/?change_password=yes&USER_CHECKWORD={TOKEN}&USER_LOGIN=a",
    f"/?change_password=yes&USER_LOGIN=a&USER%5FCHECKWORD={TOKEN}",
    f"/bitrix/admin/dump.php?sessid={TOKEN}",
    f"/oauth/token/?client_secret={TOKEN}&code={TOKEN}",
    f"/mobile/?ACCESS_TOKEN={TOKEN}",
    f"/docs/pub/{TOKEN}/default/",
    f"/pub/pay/12/{TOKEN}/",
    f"/auth/?backurl=%2F&PASSWORD={TOKEN}",
)


def test_the_logs_hold_no_tokens(host: Host) -> None:
    mark = "/hardening/plain/?page=2"
    requests = [{"path": path} for path in SECRETS]
    requests += [{"path": mark, "headers": {"Referer": f"https://{DOMAIN}{path}"}} for path in SECRETS]
    # nginx itself refuses these, and says so in its error log.
    requests += [{"path": path, "method": "POST", "headers": {"Content-Length": "9000000000"}} for path in SECRETS[:3]]
    answers = request(host, requests)
    assert [answer.status for answer in answers[-3:]] == [413] * 3
    log = host.check_output("cat /var/log/nginx/access.log")
    assert log.count(f'"GET {mark} HTTP/1.1"') >= len(SECRETS)
    assert '"GET /rest/1/***/crm.deal.list.json?start=50 HTTP/1.1"' in log
    assert '"GET /?*** HTTP/1.1"' in log
    assert f'"https://{DOMAIN}/rest/1/***/crm.deal.list.json?start=50"' in log
    assert host.run("grep -rl %s /var/log/nginx", TOKEN).stdout == ""


# 300 connections that never say all, and 600 log-ins, from 127.0.0.2; somebody at work from 127.0.0.3.
FLOOD = """
import collections, http.client, json, socket, ssl, threading, time
context = ssl.create_default_context()
LOGIN = "AUTH_FORM=Y&USER_LOGIN=x&USER_PASSWORD=y"

def ask(address, method, path, body=None):
    began = time.monotonic()
    connection = http.client.HTTPSConnection(DOMAIN, timeout=30, context=context, source_address=(address, 0))
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, time.monotonic() - began

quiet = [ask("127.0.0.3", "GET", "/auth/")[1] for _ in range(5)]
half = []
for number in range(300):
    line = socket.create_connection((DOMAIN, 443), timeout=30, source_address=("127.0.0.2", 0))
    if number % 3:
        line = context.wrap_socket(line, server_hostname=DOMAIN)
        line.sendall(b"POST / HTTP/1.1\\r\\nHost: %s\\r\\n" % DOMAIN.encode())
    if number % 3 == 2:
        line.sendall(b"Content-Length: 1000\\r\\n\\r\\nU")
    half.append(line)
opened = time.monotonic()

tried, lock, left = collections.Counter(), threading.Lock(), list(range(600))

def attack():
    while True:
        with lock:
            if not left:
                return
            left.pop()
        status = ask("127.0.0.2", "POST", "/auth/?login=yes", LOGIN)[0]
        with lock:
            tried[status] += 1

began = time.monotonic()
attackers = [threading.Thread(target=attack) for _ in range(8)]
for attacker in attackers:
    attacker.start()
worked = []
while any(attacker.is_alive() for attacker in attackers) or len(worked) < 20:
    worked.append(ask("127.0.0.3", "GET", "/auth/"))
    # As often as people do.
    if len(worked) < 40:
        worked.append(ask("127.0.0.3", "POST", "/auth/?login=yes", LOGIN))
took = time.monotonic() - began

# Without a whole header each is let go; what has a body has longer.
gone = 0
for number, line in enumerate(half):
    if number % 3 == 2:
        continue
    line.settimeout(max(0.1, opened + 40 - time.monotonic()))
    try:
        gone += line.recv(1) == b""
    except (ConnectionError, ssl.SSLError):
        gone += 1
    except TimeoutError:
        break
print(json.dumps({"tried": tried, "took": took, "quiet": max(quiet), "slowest": max(each[1] for each in worked),
                  "statuses": collections.Counter(each[0] for each in worked), "asked": len(worked), "gone": gone}))
"""


def test_a_flood_from_one_address_keeps_no_other_one_out(host: Host) -> None:
    seen = json.loads(python(host, f"DOMAIN = {DOMAIN!r}\n{FLOOD}").splitlines()[-1])
    print(seen)
    assert sum(seen["tried"].values()) == 600
    # The first burst of 60, and two a second.
    passed = 600 - seen["tried"].get("429", 0)
    assert 60 <= passed <= 62 + 2 * (seen["took"] + 1), seen
    assert set(seen["statuses"]) <= {"200", "302", "401"}, seen
    assert seen["slowest"] < 5, seen
    assert seen["gone"] == 200, seen


def test_an_answer_says_what_browsers_shall_not_do(host: Host) -> None:
    answer: Answer = request(host, [{"path": "/auth/"}])[0]
    assert answer.headers["strict-transport-security"] == "max-age=86400"
    assert answer.headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert "object-src 'self'" in answer.headers["content-security-policy-report-only"]
    assert "content-security-policy" not in answer.headers
    assert answer.headers["server"] == "nginx"
