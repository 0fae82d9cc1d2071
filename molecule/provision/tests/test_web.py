# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx and PHP as the portal and its users meet them."""

from __future__ import annotations

import typing as t

import pytest
from portal_site import DOMAIN, ROOT, VARS, Answer, Ask
from testinfra.host import Host

AskAll = t.Callable[[list[dict[str, t.Any]]], list[Answer]]
Put = t.Callable[[str, str], None]

CANARY = "canary of the denied files"
DENIED = (
    ".git/HEAD",
    ".htsecure",
    "bitrix/.settings.php.bak",
    "bitrix/.settings_extra.php",
    "bitrix/backup/dump.sql",
    "bitrix/backup/portal.tar.gz",
    "bitrix/html_pages/.config.php",
    "bitrix/html_pages/.enabled",
    "bitrix/local_cache/x.txt",
    "bitrix/managed_cache/x.txt",
    "bitrix/modules/main/x.txt",
    "bitrix/php_interface/x.txt",
    "bitrix/pub/index.php",
    "bitrix/stack_cache/x.txt",
    "bitrix/tmp/restore.removed/x.txt",
    "bitrix_server_test.php",
    "bitrixsetup.php",
    "composer.json",
    "dump.sql",
    "dump.sql.gz",
    "export_file.csv",
    "index.php.old",
    "index.php~",
    "local/php_interface/x.txt",
    "portal.enc.gz",
    "portal.enc.gz.1",
    "portal.tar",
    "portal.tar.gz.12",
    "restore.php",
    "bitrix/restore.php",
    "upload/restore.php",
    "upload/.htaccess.txt/.hidden",
    "upload/1c_catalog/x.xml",
    "upload/1c_exchange/x.xml",
    "upload/support/not_image/x.txt",
    "x.restore",
)
PROBE = """<?php
header('Content-Type: application/json');
echo json_encode([
    'server' => $_SERVER,
    'ini' => ini_get_all(null, false),
    'extensions' => get_loaded_extensions(),
    'user' => posix_getpwuid(posix_geteuid())['name'],
    'groups' => posix_getgroups(),
    'session' => session_start(),
    'temporary' => tempnam('', 'probe'),
    'functions' => array_values(array_filter(CHECKED, fn ($name) => !function_exists($name))),
]);
""".replace(
    "CHECKED",
    "['fsockopen', 'xml_parser_create', 'imagettftext', 'gzcompress', 'imagecreatetruecolor', 'imagecreatefromjpeg', "
    "'hash', 'highlight_file', 'openssl_encrypt', 'mb_substr', 'mysqli_connect', 'curl_init', 'ldap_connect']",
)
# What the vendor's site checker demands, and what the vendor's own environment has. The checker takes 0, not Off.
INI = {
    "arg_separator.output": "&",
    "default_charset": "UTF-8",
    "default_socket_timeout": "60",
    "display_errors": "0",
    "file_uploads": "1",
    "max_execution_time": "300",
    "max_file_uploads": "100",
    "max_input_vars": "10000",
    "memory_limit": "512M",
    "opcache.enable": "1",
    "opcache.revalidate_freq": "0",
    "opcache.validate_timestamps": "1",
    "pcre.backtrack_limit": "1000000",
    "pcre.recursion_limit": "14000",
    "post_max_size": "1024M",
    "realpath_cache_size": "4096k",
    "session.auto_start": "0",
    "session.cookie_httponly": "1",
    "session.cookie_samesite": "Lax",
    "session.cookie_secure": "1",
    "session.use_strict_mode": "1",
    "session.save_path": "/srv/portal/sessions",
    "short_open_tag": "1",
    "upload_max_filesize": "1024M",
    "upload_tmp_dir": "/srv/portal/tmp",
    "zend.multibyte": "0",
}


@pytest.fixture
def probe(put: Put, ask: Ask) -> dict[str, t.Any]:
    put("probe.php", PROBE)
    return ask(
        "/probe.php/some/path?a=1", headers={"X-Forwarded-For": "203.0.113.9", "Authorization": "Basic YTpi"}
    ).json()


def test_plain_http_and_other_names_are_led_to_the_portal(ask_all: AskAll) -> None:
    plain, alias, address = ask_all(
        [
            {"path": "/x?y=1", "plain": True},
            {"path": "/x", "plain": True, "host": VARS["site_aliases"][0]},
            {"path": "/x", "plain": True, "host": "127.0.0.1"},
        ]
    )
    assert (plain.status, plain.headers["location"]) == (301, f"https://{DOMAIN}/x?y=1")
    assert alias.headers["location"] == f"https://{VARS['site_aliases'][0]}/x"
    assert address.headers["location"] == f"https://{DOMAIN}/x"


def test_php_has_the_values_that_the_checker_demands(probe: dict[str, t.Any]) -> None:
    assert {name: probe["ini"][name] for name in INI} == INI
    assert probe["ini"]["date.timezone"] == VARS["site_timezone"]
    assert probe["functions"] == []
    assert {"dom", "zip", "redis", "Zend OPcache", "intl"} <= set(probe["extensions"])


def test_php_runs_as_the_portal_and_keeps_its_files_apart(probe: dict[str, t.Any]) -> None:
    assert probe["user"] == "portal"
    assert probe["temporary"].startswith("/srv/portal/tmp/")
    assert probe["session"] is True


def test_the_portal_learns_scheme_client_and_credentials(probe: dict[str, t.Any]) -> None:
    server = probe["server"]
    assert (server["HTTPS"], server["SERVER_PORT"], server["SERVER_NAME"]) == ("on", "443", DOMAIN)
    assert server["REMOTE_ADDR"] == "203.0.113.9"
    assert (server["PHP_AUTH_USER"], server["PHP_AUTH_PW"]) == ("a", "b")
    assert (server["SCRIPT_NAME"], server["PATH_INFO"]) == ("/probe.php", "/some/path")
    assert server["DOCUMENT_ROOT"] == ROOT
    assert "HTTP_PROXY" not in server or server["HTTP_PROXY"] == ""


def test_php_on_the_command_line_has_the_same_values(host: Host) -> None:
    values = host.check_output(
        'php -r \'echo ini_get("memory_limit"), ini_get("short_open_tag"), ini_get("date.timezone");\''
    )
    assert values == f"512M1{VARS['site_timezone']}"


def test_what_must_stay_hidden_is_hidden(put: Put, ask_all: AskAll) -> None:
    for path in DENIED:
        put(path, CANARY)
    asked = [f"/{path}" for path in DENIED]
    asked += ["/bitrix/.settings.php", "/bitrix/php_interface/dbconn.php", "//bitrix//.settings.php"]
    asked += [
        "/bitrix/%2esettings.php",
        "/BITRIX/MODULES/main/x.txt",
        "/bitrix/pub/?CHANNEL_ID=x",
        "/bx_tmp_download/x",
    ]
    answers = dict(zip(asked, ask_all([{"path": path} for path in asked])))
    assert {path: answer.status for path, answer in answers.items() if answer.status not in (403, 404)} == {}
    assert [path for path, answer in answers.items() if CANARY in answer.text] == []


def test_documents_may_have_the_names_of_hidden_files(put: Put, ask_all: AskAll) -> None:
    put("bitrix/templates/.default/probe.css", "body {}")
    put("upload/probe/notes.sql", "select")
    names = ["/docs/shared/report.log", "/docs/shared/dump.sql", "/docs/old.bak"]
    style, upload, *documents = ask_all(
        [{"path": path} for path in ["/bitrix/templates/.default/probe.css", "/upload/probe/notes.sql", *names]]
    )
    assert (style.status, upload.status, upload.text) == (200, 200, "select")
    # The portal itself was asked about them.
    assert all("nginx</center>" not in answer.text for answer in documents)


@pytest.mark.parametrize("name", ["run.php", "run.phtml", "run.php5", "page.html", "run.cgi"])
def test_what_was_uploaded_is_neither_run_nor_shown(put: Put, ask: Ask, name: str) -> None:
    put(f"upload/probe/{name}", "<?php echo 1 + 1;")
    answer = ask(f"/upload/probe/{name}")
    assert answer.text == "<?php echo 1 + 1;"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-type"] == "application/octet-stream"


def test_the_portal_hands_out_files_through_nginx(put: Put, ask: Ask) -> None:
    put(
        "send.php",
        "<?php header('X-Accel-Redirect: ' . $_GET['to']); header('Content-Disposition: attachment; filename=a');",
    )
    put("/srv/portal/tmp/made.sql", "made for one user")
    put("upload/probe/kept.php", "<?php kept")
    assert ask("/send.php?to=/bx_tmp_download/made.sql").text == "made for one user"
    kept = ask("/send.php?to=/upload/probe/kept.php")
    assert (kept.text, kept.headers["content-disposition"]) == ("<?php kept", "attachment; filename=a")


def test_pages_for_other_sites_may_be_framed(put: Put, ask_all: AskAll) -> None:
    put("pub/probe.php", "<?php echo 'form';")
    put("probe.php", "<?php echo 'page';")
    form, page = ask_all([{"path": "/pub/probe.php"}, {"path": "/probe.php"}])
    assert "x-frame-options" not in form.headers
    assert page.headers["x-frame-options"] == "SAMEORIGIN"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "x-powered-by" not in {name for name, value in page.headers.items() if "PHP" in value}


def test_methods_of_webdav_reach_the_portal(put: Put, ask_all: AskAll) -> None:
    put("probe.php", "<?php echo $_SERVER['REQUEST_METHOD'];")
    methods = ["PROPFIND", "PUT", "MKCOL", "MOVE", "LOCK", "DELETE", "OPTIONS", "REPORT"]
    answers = ask_all([{"path": "/probe.php/a/b", "method": method} for method in methods])
    assert [answer.text for answer in answers] == methods


def test_addresses_without_a_file_are_the_portals_own(ask: Ask) -> None:
    answer = ask("/no/such/page/of/ours/?x=1")
    assert answer.status == 404
    assert "nginx</center>" not in answer.text


def test_large_uploads_arrive(put: Put, ask: Ask) -> None:
    put("size.php", "<?php echo strlen(file_get_contents('php://input'));")
    size = 40 * 1024 * 1024
    assert ask("/size.php", method="POST", size=size).text == str(size)


def test_text_is_compressed(put: Put, ask: Ask) -> None:
    put("bitrix/cache/css/probe.css", "a { color: red }\n" * 500)
    assert ask("/bitrix/cache/css/probe.css", headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"


def test_a_restored_tree_is_served_without_a_reload(host: Host, put: Put, ask: Ask) -> None:
    put("probe.php", "<?php echo 'tree one';")
    assert ask("/probe.php").text == "tree one"
    host.check_output(
        "cd /srv/portal && mkdir next && cp --preserve=all www/probe.php next/ && sed -i s/one/two/ next/probe.php"
        " && chown -R portal:portal next && mv www before && mv next www"
    )
    try:
        assert ask("/probe.php").text == "tree two"
    finally:
        host.check_output("cd /srv/portal && mv www next && mv before www && rm -r next")
    assert ask("/probe.php").text == "tree one"


def test_services_come_back(host: Host) -> None:
    php = "php8.4-fpm" if host.system_info.release.startswith("13") else "php8.2-fpm"
    for unit in ("nginx", php):
        assert host.check_output("systemctl show --property=Restart --value %s", unit) == "always"
