# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damages to the host: its PHP, its files and settings, and what a visitor sees. See breaks.py."""

from __future__ import annotations

import pathlib
import typing as t

from unit.plugins.module_utils.health.breaks import (
    DBCONN,
    SETTINGS,
    Break,
    answer,
    both,
    context,
    edit,
    option,
    plain,
    write,
)
from unit.plugins.module_utils.health.toy_portal import DOMAIN
from unit.plugins.module_utils.health.toy_site import LOGIN_PAGE

Change = t.Callable[[t.Any], t.Any]


def fpm(**settings: str) -> Change:
    return lambda world: world.fpm.update({name.replace("__", "."): value for name, value in settings.items()})


def raw(**settings: str) -> Change:
    return lambda world: world.raw.update({name.replace("__", "."): value for name, value in settings.items()})


def without(module: str) -> Change:
    return lambda world: world.fpm_modules.remove(module)


def site(**values: t.Any) -> Change:
    return lambda world: [setattr(world.site, name, value) for name, value in values.items()]


def silent(*hosts: str) -> Change:
    return lambda world: world.neighbours.difference_update(hosts)


def page(body: str) -> Change:
    return answer_with("/", 200, {}, body.encode() + LOGIN_PAGE)


def answer_with(path: str, status: int, headers: dict[str, str], body: bytes) -> Change:
    return lambda world: world.site.answers.__setitem__(path, (status, headers, body))


def pool(text: str) -> Change:
    """A pool of the portal's user, as the test's own account."""

    def damage(world: t.Any) -> None:
        folder = world.portal.root.parent / "fpm" / "pool.d"
        folder.mkdir(parents=True)
        owner = (world.portal.root / SETTINGS).owner()
        (folder / "portal.conf").write_text(f"[portal]\nuser = {owner}\n{text}\n")
        world.fpm["Configuration File (php.ini) Path"] = str(folder.parent)

    return damage


def cache(kind: str, server: str) -> Change:
    section = f"'cache' => ['value' => ['type' => ['class_name' => '{kind}'], {server}]],\n    'cookies' =>"
    return edit(SETTINGS, "'cookies' =>", section)


def sessions(handler: str) -> Change:
    return edit(SETTINGS, "['type' => 'file']", f"[{handler}]")


def wide(name: str) -> Change:
    return lambda world: (world.portal.root / name).chmod(0o666)


def temporary(change: t.Callable[[pathlib.Path], t.Any]) -> Change:
    return lambda world: change(world.portal.root.parent / "temporary")


def move_temporary(world: t.Any) -> None:
    world.portal.edit(DBCONN, str(world.portal.root.parent / "temporary"), str(world.portal.root / "upload"))


def password(text: str) -> Change:
    """Another password in the settings, and a login that goes on working."""
    return both(
        lambda world: setattr(world.context, "login", (world.portal.login, world.portal.database)),
        edit(SETTINGS, "the-portals-own-password", text),
    )


BREAKS: list[Break] = [
    # environment
    ("environment.web_modules", without("mysqli"), "fail", "PHP-FPM lacks mysqli"),
    ("environment.web_modules", without("Zend OPcache"), "warn", "without opcache"),
    ("environment.web_settings", fpm(max_input_vars="1000"), "fail", "max_input_vars is 1000"),
    ("environment.web_settings", fpm(file_uploads="Off"), "fail", "file_uploads is off"),
    ("environment.web_settings", fpm(session__auto_start="On"), "fail", "session.auto_start is on"),
    ("environment.web_settings", raw(session__auto_start=""), "fail", "session.auto_start is '', and the vendor's"),
    ("environment.web_settings", raw(zend__multibyte="no"), "fail", "zend.multibyte is 'no', and the vendor's checker"),
    ("environment.web_settings", raw(zend__multibyte=""), "fail", "checker takes only 0"),
    ("environment.web_settings", raw(file_uploads="yes"), "fail", "file_uploads is 'yes', and the vendor's checker"),
    ("environment.web_settings", raw(zend__multibyte="Off", session__auto_start="00"), "pass", "all as expected"),
    ("environment.web_settings", pool("php_value[zend.multibyte] = false"), "fail", "zend.multibyte is 'false'"),
    ("environment.web_settings", fpm(opcache__revalidate_freq="2"), "fail", "opcache does not look at once"),
    ("environment.web_settings", fpm(arg_separator__output="&amp;"), "fail", "arg_separator.output is '&amp;'"),
    ("environment.web_settings", pool("php_admin_flag[display_errors] = on"), "fail", "display_errors is on"),
    ("environment.web_limits", fpm(memory_limit="128M"), "fail", "memory_limit is 128M"),
    ("environment.web_limits", fpm(memory_limit="-1"), "pass", "memory -1"),
    ("environment.web_limits", fpm(upload_max_filesize="2M"), "fail", "upload_max_filesize is 2M"),
    ("environment.web_limits", fpm(post_max_size="8M"), "fail", "post_max_size (8M) is below"),
    ("environment.web_limits", fpm(pcre__backtrack_limit="100000"), "fail", "backtrack_limit is 100000"),
    ("environment.encoding", fpm(default_charset="windows-1251"), "fail", "default_charset is 'windows-1251'"),
    ("environment.encoding", fpm(default_charset="no value"), "fail", "default_charset is empty"),
    ("environment.encoding", fpm(mbstring__func_overload="2"), "fail", "func_overload is 2"),
    # web
    ("web.reaches_itself", context(connect_tcp=lambda host, port: (each for each in ()).throw(OSError("hairpin"))),
     "fail", f"{DOMAIN}:443 cannot be reached from here: hairpin"),
    ("web.webdav", answer("PROPFIND /bitrix/groupdav.php", 405), "fail", "login on PROPFIND (405)"),
    ("web.webdav", answer("/bitrix/groupdav.php", 404), "fail", "PUT (404), LOCK (404)"),
    ("web.login_scheme", answer("/bitrix/groupdav.php", 401), "fail", "401 without WWW-Authenticate"),
    ("web.mobile", answer("/mobile/", 404), "fail", "/mobile/ answered 404"),
    ("web.mobile", answer("/mobile/", 302, {"Location": "https://acme.bitrix24.ru/"}), "fail", "another host"),
    ("web.mobile", answer("/mobile/", 302, {"Location": "/auth/"}), "pass", "answered 302"),
    ("web.compression", site(compresses=False), "warn", "/ comes uncompressed"),
    ("web.upload_limit", site(body_limit=2**20), "fail", "even 5 MB are refused"),
    ("web.upload_limit", site(body_limit=50 * 2**20), "warn", "5 MB are taken on"),
    ("web.local_redirects", answer("/mobile", 301, {"Location": f"http://{DOMAIN}:8080/mobile/"}), "fail",
     f"/mobile leads to http://{DOMAIN}:8080/mobile/"),
    ("web.fast_download", option("main", "bx_fast_download", "N"), "warn", "bx_fast_download is 'N'"),
    ("web.fast_download", answer("/bx_tmp_download/", 200), "fail", "it is not internal"),
    # settings
    ("settings.session_server", sessions("'type' => 'redis', 'host' => '10.12.0.22'"), "fail",
     "redis: 10.12.0.22:6379 cannot be reached"),
    ("settings.session_server", sessions("'type' => 'redis', 'host' => '/run/gone.sock'"), "fail",
     "/run/gone.sock is no socket"),
    ("settings.session_server", sessions("'type' => 'redis', 'host' => 'redis.company.test'"), "pass", "redis answers"),
    ("settings.cache_server", cache("CacheEngineMemcache", "'memcache' => ['host' => '10.12.0.21']"), "fail",
     "memcache: 10.12.0.21:11211 cannot be reached"),
    ("settings.cache_server", cache("CacheEngineRedis", "'sid' => 'x'"), "fail", "there is no cache.redis"),
    ("settings.no_output", edit(DBCONN, "<?php\n", "\ufeff<?php\n"), "fail", "does not begin with <?php"),
    ("settings.no_output", write("local/php_interface/init.php", "<?php\n?>\n\n\n"), "fail", "blank lines behind"),
    ("settings.no_output", write("local/php_interface/init.php", "<?php\n?>\n"), "pass", "2 files"),
    ("settings.file_permissions", edit(DBCONN, "0644", "0666"), "fail", "BX_FILE_PERMISSIONS is 0666"),
    ("settings.mail_trap", edit(DBCONN, '"BX_USE_MYSQLI", true', '"ONLY_EMAIL", "me@company.test"'), "fail", "no mail"),
    # identity
    ("identity.session_survives", site(forgets=True), "fail", "the second request got another session"),
    ("identity.cookies", site(cookie="PHPSESSID={}; domain=.bitrix24.ru; secure; HttpOnly"), "fail",
     "for bitrix24.ru: browsers drop it"),
    ("identity.cookies", site(cookie="PHPSESSID={}; path=/"), "warn", "lacks Secure, HttpOnly"),
    ("identity.cookies", both(context(base_url=f"http://{DOMAIN}"), plain(200)), "fail", "nobody can log in"),
    ("identity.session_storage", fpm(session__gc_maxlifetime="600"), "fail", "gc_maxlifetime is 600"),
    ("identity.session_storage", fpm(session__save_path="/run/gone"), "fail", "/run/gone is no directory"),
    ("identity.session_storage", lambda w: (w.portal.root.parent / "sessions").chmod(0o755), "warn", "has 0755"),
    # domain
    ("domain.page_links", page("<a href='https://acme.bitrix24.ru/x'>"), "fail", "/ names acme.bitrix24.ru"),
    ("domain.page_links", page(f"<a href='https://{DOMAIN}:8443/x'>"), "fail", f"links to https://{DOMAIN}:8443"),
    ("domain.page_links", page(f"<a href='http://{DOMAIN}/x'>"), "fail", f"links to http://{DOMAIN}"),
    ("domain.cloud_functions", write("local/php_interface/init.php", "<?php $x = bx_sign($y);"), "warn", "bx_sign("),
    ("domain.cloud_functions", write("local/php_interface/a/b.php", "<?php Loader::includeModule('bitrix24');"), "warn",
     "includeModule('bitrix24'"),
    # mail
    ("mail.transport", fpm(sendmail_path="/usr/bin/gone -t"), "fail", "/usr/bin/gone is not there"),
    ("mail.transport", fpm(sendmail_path="no value"), "fail", "sendmail_path is empty"),
    # modules
    ("modules.as_before", lambda w: w.context.baseline["modules"].update(tasks="26.2.0"), "warn",
     "tasks 26.1.5 (was 26.2.0)"),
    ("modules.as_before", lambda w: w.context.baseline["modules"].update(sale="1.0"), "warn", "sale is gone"),
    ("modules.as_before", lambda w: w.context.baseline["modules"].update(main="27.0"), "fail", "(was 27.0)"),
    # security
    ("security.world_writable", wide("bitrix/modules/tasks/install/version.php"), "fail",
     "bitrix/modules/tasks/install/version.php"),
    ("security.temporary_directory", temporary(lambda path: path.rmdir()), "fail", "temporary is no directory"),
    ("security.temporary_directory", temporary(lambda path: path.chmod(0o777)), "fail", "has 0777"),
    ("security.temporary_directory", edit(DBCONN, "BX_TEMPORARY_FILES_DIRECTORY", "OTHER"), "warn", "not set"),
    ("security.temporary_directory", move_temporary, "fail", "is in the document root"),
    ("security.database_password", password("short"), "warn", "only 5 characters"),
    ("security.database_password", password("toy"), "fail", "the same as the login"),
    ("security.directory_listing", answer_with("/upload/", 200, {}, b"<html><title>Index of /upload/</title>"), "fail",
     "listed: /upload/"),
    ("security.headers", answer("/", 200, {"X-Powered-By": "PHP/8.2.1"}), "warn", "is missing; X-Powered-By: PHP/"),
    ("security.foreign_host", site(foreign_answer=(200, {}, b"x")), "warn", "it answered 200"),
    ("security.foreign_host", site(foreign_answer=(301, {"Location": "https://foreign-host.invalid/"}, b"")), "fail",
     "redirects to https://foreign-host.invalid/"),
    # licence
    ("licence.support", option("main", "~support_finish_date", "2020-01-01"), "fail", "ended on 2020-01-01"),
    ("licence.support", both(option("main", "~support_finish_date", "2030-01-20"),
                             context(now=lambda: 1893542400.0)), "warn", "days left"),
    ("licence.development_header", answer("/", 200, {"X-DevSrv-CMS": "Bitrix"}), "warn", "X-DevSrv-CMS: Bitrix"),
]  # fmt: skip

BLINDS: list[tuple[str, Change, str]] = [
    ("environment.web_modules", context(run_command=lambda arguments: (0, "8.2", "") if arguments[0] == "php"
                                        else (127, "", "not found")), "PHP-FPM does not answer"),
    ("environment.web_limits", fpm(memory_limit="much"), "PHP-FPM says that memory_limit is 'much'"),
    ("web.login_scheme", answer("/bitrix/groupdav.php", 404), "answered 404"),
    (
        "web.compression",
        both(answer("/", 302, {"Location": "/x/"}), answer("/x/", 200)),
        "neither / nor /auth/ answers with a page",
    ),
    ("identity.session_survives", site(cookie=""), "sets no session cookie"),
    ("identity.cookies", site(cookie=""), "sets no session cookie"),
    ("settings.session_server", sessions("'type' => 'redis', 'host' => getenv('X')"), "by an expression"),
    ("settings.file_permissions", edit(DBCONN, "0644", "MODE"), "is no number"),
    ("security.temporary_directory", edit(DBCONN, 'Y", "', 'Y", X . "'), "by an expression"),
    ("licence.support", option("main", "~support_finish_date", ""), "has not asked for its licence yet"),
    ("licence.support", option("main", "~support_finish_date", "soon"), "is no date"),
]  # fmt: skip

SKIPS: list[tuple[str, Change, str]] = [
    ("mail.transport", edit(SETTINGS, "'cookies' =>", "'smtp' => ['value' => ['enabled' => true]],\n    'cookies' =>"),
     "by SMTP itself"),
    ("modules.as_before", context(baseline=None), "no baseline was given"),
]  # fmt: skip
