# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""For every check the damages to a healthy portal that it has to see: the status and words of the finding."""

from __future__ import annotations

import time
import typing as t

from unit.plugins.module_utils.health.toy_portal import DOMAIN
from unit.plugins.module_utils.health.toy_site import DAY, LOGIN_PAGE, NOW, Authority

Break = tuple[str, t.Callable[[t.Any], t.Any], str, str]
SETTINGS, DBCONN = "bitrix/.settings.php", "bitrix/php_interface/dbconn.php"


def sql(statement: str) -> t.Callable[[t.Any], t.Any]:
    return lambda world: world.portal.sql(statement)


def option(module: str, name: str, value: str) -> t.Callable[[t.Any], t.Any]:
    statement = "REPLACE INTO b_option (MODULE_ID, NAME, VALUE) VALUES (%s, %s, %s)"
    return lambda world: world.portal.sql(statement, module, name, value)


def edit(name: str, old: str, new: str) -> t.Callable[[t.Any], t.Any]:
    return lambda world: world.portal.edit(name, old, new)


def write(name: str, text: str = "x", mode: int = 0o640) -> t.Callable[[t.Any], t.Any]:
    return lambda world: world.portal.write(name, text, mode)


def remove(name: str) -> t.Callable[[t.Any], t.Any]:
    return lambda world: (world.portal.root / name).unlink()


def answer(path: str, status: int, headers: dict[str, str] | None = None) -> t.Callable[[t.Any], t.Any]:
    return lambda world: world.site.answers.__setitem__(path, (status, headers or {}, LOGIN_PAGE))


def plain(status: int, **headers: str) -> t.Callable[[t.Any], t.Any]:
    return lambda world: setattr(world.site, "plain_answer", (status, headers, LOGIN_PAGE))


def context(**values: t.Any) -> t.Callable[[t.Any], t.Any]:
    return lambda world: [setattr(world.context, name, value) for name, value in values.items()]


def push(**values: t.Any) -> t.Callable[[t.Any], t.Any]:
    return lambda world: [setattr(world.site.push, name, value) for name, value in values.items()]


def later(days: int) -> t.Callable[[t.Any], t.Any]:
    return context(now=lambda: time.time() + days * 86400)


def both(*breaks: t.Callable[[t.Any], t.Any]) -> t.Callable[[t.Any], t.Any]:
    return lambda world: [each(world) for each in breaks]


def other_authority(world: t.Any) -> None:
    world.use_certificate(Authority(world.authority.folder, "Unknown CA"), DOMAIN)


def agents(change: str) -> t.Callable[[t.Any], t.Any]:
    return sql(f"UPDATE b_agent SET {change}")


def users(change: str) -> t.Callable[[t.Any], t.Any]:
    return sql(f"UPDATE b_user SET {change} WHERE ID = 2")


BREAKS: list[Break] = [
    # environment
    ("environment.php", lambda w: w.php.update(version="8.0.30"), "fail", "PHP 8.0.30 is too old"),
    ("environment.php", lambda w: w.php.update(imagettftext=False), "fail", "lacks imagettftext"),
    ("environment.php", lambda w: w.php.update(ZipArchive=False), "warn", "lacks ZipArchive"),
    # web
    ("web.answers", answer("/", 502), "fail", "answered 502"),
    ("web.answers", answer("/", 404), "fail", "answered 404"),
    ("web.answers", answer("/", 302, {"Location": "https://acme.bitrix24.ru/"}), "fail", "another host: https://acme"),
    ("web.answers", lambda w: w.site.close() or context(base_url="https://gone.test")(w), "fail", "Connection refused"),
    ("web.certificate", other_authority, "fail", "unable to get local issuer certificate"),
    ("web.certificate", lambda w: w.use_certificate(w.authority, "other.test"),
     "fail", "for other.test, not for portal"),
    ("web.certificate", lambda w: w.use_certificate(w.authority, DOMAIN, until=NOW - DAY), "fail", "has expired"),
    ("web.certificate", later(70), "warn", ": 19 days left"),
    ("web.certificate", context(base_url=f"http://{DOMAIN}"), "fail", "is not https"),
    ("web.redirect", plain(200), "fail", "http://portal.boxlift.test/ answered 200"),
    ("web.redirect", plain(301, Location="https://elsewhere.test/"), "fail", "to https://elsewhere.test/"),
    ("web.redirect", lambda w: setattr(w.site, "plain_refused", True), "warn", "Connection refused"),
    # settings
    ("settings.readable", remove(SETTINGS), "fail", "missing in"),
    ("settings.readable", remove(DBCONN), "fail", "php_interface/dbconn.php"),
    ("settings.credentials", edit(SETTINGS, "'the-portals-own-password'", "'******'"), "fail",
     "still masked: connections.default.password"),
    ("settings.credentials", edit(DBCONN, "$DBDebug =", "$DBLogin = '******';\n$DBDebug ="),
     "fail", "masked: $DBLogin"),
    ("settings.credentials", edit(DBCONN, "$DBDebug =", "$DBLogin = 'old';\n$DBDebug ="), "fail", "differ in $DBLogin"),
    ("settings.credentials", edit(SETTINGS, "'default' => [\n", "'other' => [\n"),
     "fail", "no connections.default"),
    ("settings.crypto_key", edit(SETTINGS, "0123456789abcdef0123456789abcdef", "mySuperSecretPhrase"), "fail",
     "phrase of the installation image"),
    ("settings.crypto_key", edit(SETTINGS, "'0123456789abcdef0123456789abcdef'", "''"),
     "warn", "there is no crypto_key"),
    ("settings.crypto_key", edit(SETTINGS, "0123456789abcdef0123456789abcdef", "short"), "warn", "only 5 characters"),
    ("settings.crypto_key", both(edit(SETTINGS, "'0123456789abcdef0123456789abcdef'", "null"),
                                 edit(SETTINGS, "'mode' => 'default'", "'mode' => 'separated'")), "fail", "separated"),
    ("settings.session", edit(SETTINGS, "'mode' => 'default'", "'mode' => 'separated'"),
     "fail", "needs handlers.kernel"),
    ("settings.session", edit(SETTINGS, "'mode' => 'default'", "'mode' => 'odd'"), "fail", "session.mode is 'odd'"),
    ("settings.session", edit(SETTINGS, "'type' => 'file'", "'type' => 'redis'"), "fail", "redis has no host"),
    ("settings.session", edit(SETTINGS, "'type' => 'file'", "'type' => 'tape'"), "fail", "general is 'tape'"),
    ("settings.session", edit(SETTINGS, "'mode' => 'default'", "'lifetime' => 60"), "fail", "lifetime is 60"),
    ("settings.session", context(base_url=f"http://{DOMAIN}"), "fail", "nobody can log in"),
    ("settings.session", edit(SETTINGS, "'secure' => true", "'samesite' => 'None'"), "fail", "drop the cookie"),
    ("settings.session", edit(SETTINGS, "'secure' => true", "'secure' => false"), "pass", "sessions in file"),
    ("settings.debug", edit(SETTINGS, "'debug' => false", "'debug' => true"), "fail", "on: exception_handling.debug"),
    ("settings.debug", edit(DBCONN, "$DBDebug = false", "$DBDebug = true"), "fail", "on: $DBDebug"),
    ("settings.installer_constants", edit(DBCONN, "BX_USE_MYSQLI", "SHORT_INSTALL"), "warn", "defines SHORT_INSTALL"),
    ("settings.installer_constants", edit(DBCONN, "BX_USE_MYSQLI", "BX_CRONTAB"), "fail", "defines BX_CRONTAB"),
    # database
    ("database.reachable", edit(SETTINGS, "'the-portals-own-password'", "'wrong'"),
     "fail", "Cannot connect to database"),
    ("database.reachable", edit(SETTINGS, "'database' => 'toy", "'database' => 'no"), "fail", "Cannot connect"),
    ("database.login", lambda w: (context(login=(w.portal.server.login, w.portal.database))(w),
                                  edit(SETTINGS, "'the-portals-own-password'", "'wrong'")(w)), "fail", "Access denied"),
    ("database.variables", sql("SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES'"),
     "fail", "sql_mode is 'STRICT_TRANS_TABLES'"),
    ("database.variables", sql("SET GLOBAL innodb_strict_mode = ON"), "fail", "innodb_strict_mode is 'ON'"),
    ("database.variables", sql("SET GLOBAL innodb_default_row_format = COMPACT"), "fail", "row_format is 'compact'"),
    ("database.variables", sql("SET GLOBAL max_allowed_packet = 1048576"), "fail", "max_allowed_packet is 1048576"),
    ("database.charset", sql("ALTER TABLE b_im_chat COLLATE utf8mb4_general_ci"),
     "fail", "b_im_chat (utf8mb4_general_ci)"),
    ("database.charset", lambda w: w.portal.sql(f"ALTER DATABASE {w.portal.database} CHARACTER SET latin1"), "fail",
     "character set is latin1"),
    ("database.after_connect", write("bitrix/php_interface/after_connect_d7.php",
                                     "<?php $c->queryExecute(\"SET collation_connection = 'utf8mb4_0900_ai_ci'\");"),
     "fail", "utf8mb4_0900_ai_ci in"),
    ("database.tables", sql("ALTER TABLE b_im_chat ENGINE=MyISAM"), "fail", "b_im_chat (MyISAM"),
    ("database.tables", sql("ALTER TABLE b_im_chat ROW_FORMAT=COMPACT"), "fail", "b_im_chat (InnoDB Compact)"),
    ("database.clock", context(now=lambda: time.time() + 100), "fail", " s apart"),
    ("database.clock", context(now=lambda: time.time() - 100), "fail", " s apart"),
    # domain
    ("domain.everywhere", option("main", "server_name", ""), "fail", "b_option main.server_name is ''"),
    ("domain.everywhere", sql("UPDATE b_lang SET SERVER_NAME = NULL WHERE LID = 'ex'"),
     "fail", "b_lang ex.SERVER_NAME is ''"),
    ("domain.everywhere", sql("UPDATE b_lang_domain SET DOMAIN = 'acme.bitrix24.ru' WHERE LID = 's1'"), "fail",
     "b_lang_domain s1 is 'acme.bitrix24.ru'"),
    ("domain.everywhere", sql("UPDATE b_lang SET DOC_ROOT = '/home/bitrix/www' WHERE LID = 's1'"),
     "fail", "s1.DOC_ROOT"),
    ("domain.everywhere", option("main", "mail_link_protocol", "http"), "fail", "mail_link_protocol is 'http'"),
    ("domain.cloud_constant", edit(DBCONN, "BX_USE_MYSQLI", "BX24_HOST_NAME"), "fail", "dbconn.php"),
    ("domain.cloud_leftovers", option("crm", "portal", "see https://acme.bitrix24.ru/x"), "warn",
     "b_option crm.portal (acme.bitrix24.ru)"),
    ("domain.cloud_leftovers", sql("UPDATE b_lang SET EMAIL = 'info@acme.bitrix24.com' WHERE LID = 'ex'"), "warn",
     "b_lang ex.EMAIL"),
    ("domain.certificate_names", sql("UPDATE b_lang SET SERVER_NAME = 'ex.boxlift.test' WHERE LID = 'ex'"), "fail",
     "not in the certificate: ex.boxlift.test (site ex)"),
    # push
    ("push.enabled", edit(SETTINGS, "'nginx' => 'Y'", "'nginx' => 'N'"), "fail", "messenger has no paper clip"),
    ("push.enabled", option("pull", "nginx", "N"), "fail", "pull.nginx is 'N'"),
    ("push.enabled", both(option("pull", "nginx", "N"), context(push_expected=False)), "warn", "no paper clip"),
    ("push.enabled", option("pull", "server_mode", "shared"), "fail", "not registered there"),
    ("push.attachments", sql("DELETE FROM b_module WHERE ID = 'disk'"), "fail", "not installed: disk"),
    ("push.attachments", option("disk", "successfully_converted", "N"), "fail", "the paper clip is hidden"),
    ("push.server", edit(SETTINGS, "'nginx_version' => 4", "'nginx_version' => 3"), "warn", "nginx_version is 3"),
    ("push.server", edit(SETTINGS, "'push-server-key'", "''"), "fail", "signature_key is empty"),
    ("push.precedence", option("pull", "NGINX_VERSION", "2"), "warn", "in: nginx_version"),
    ("push.precedence", sql("INSERT INTO b_option_site (MODULE_ID, NAME, SITE_ID, VALUE)"
                            " VALUES ('pull', 'Signature_Key', 's1', 'old')"), "warn", "signature_key of site s1"),
    ("push.errors", option("pull", "nginx_error", 'a:2:{s:5:"count";i:11;}'), "fail", "deliveries"),
    ("push.publish_private", answer("/bitrix/pub/", 400), "fail", "/bitrix/pub/ answered 400"),
    ("push.publish_private", answer("/server-stat/", 200), "fail", "/server-stat/ answered 200"),
    ("push.roundtrip_longpoll", push(running=False), "fail", "answered 502; without it the messenger has no paper"),
    ("push.roundtrip_longpoll", push(delivers=False), "fail", "did not arrive within 5 seconds"),
    ("push.roundtrip_longpoll", push(checks=False), "fail", "wrong signature was answered with messages"),
    ("push.roundtrip_longpoll", push(key="another"), "fail", "answered 400 (4010: Wrong Channel Id.)"),
    ("push.roundtrip_longpoll", option("pull", "path_to_publish", "http://127.0.0.1:8895/x/"), "fail", "with 404; "),
    ("push.roundtrip_longpoll", option("pull", "path_to_publish", "http://10.12.0.31:8895/bitrix/pub/"), "fail",
     "Connection refused"),
    ("push.roundtrip_longpoll", option("pull", "path_to_modern_listener_secure", "https://rtc.test/sub/"), "fail",
     "https://rtc.test/sub/: [Errno 111] Connection refused"),
    ("push.roundtrip_websocket", push(running=False), "fail", "answered 502; without it the messenger has no paper"),
    ("push.roundtrip_websocket", push(delivers=False), "fail", "did not arrive within 5 seconds"),
    ("push.roundtrip_websocket", push(checks=False), "fail", "wrong signature was answered with messages"),
    ("push.roundtrip_websocket", option("pull", "path_to_websocket_secure", "wss://#DOMAIN#/x/"), "fail", "404"),
    ("push.key", push(key="another"), "fail", "it has another key"),
    ("push.key", edit(SETTINGS, "'push-server-key'", "'the-clouds-key'"), "fail", "it has another key"),
    ("push.key", push(checks=False), "fail", "accepts any signature"),
    ("push.key", push(public_ids=False), "fail", "it is a server 1.0, and nginx_version is 4"),
    ("push.key", both(push(public_ids=False), edit(SETTINGS, "'nginx_version' => 4", "'nginx_version' => 3")),
     "pass", "accepted, others refused"),
    ("push.key", both(push(public_ids=False, key="another"), option("pull", "nginx_version", "3")), "fail",
     "another key"),
    ("push.key", both(push(public_ids=False, checks=False), option("pull", "nginx_version", "3")), "fail",
     "has no key"),
    ("push.processes", push(running=False), "fail", "/server-stat/ answered 502; without it"),
    ("push.processes", push(statistics=[]), "fail", "no process of the push server reports"),
    ("push.processes", push(statistics=[{"pid": 7}]), "warn", "one process alone reports: 7"),
    # A server that this collection has not built says it to everybody.
    ("push.processes", both(lambda world: setattr(world.site, "statistics_path", "/server-stat/"),
     push(statistics=[{"pid": 8}])), "warn", "one process alone reports: 8"),
    # agents and mail
    ("agents.configuration", edit(DBCONN, '"BX_CRONTAB_SUPPORT", true', '"BX_CRONTAB_SUPPORT", false'), "fail", "hits"),
    ("agents.configuration", edit(DBCONN, "define(\"BX_CRONTAB_SUPPORT", "if (1) define(\"BX_CRONTAB_SUPPORT"), "warn",
     "under a condition"),
    ("agents.cron", agents("LAST_EXEC = NOW() - INTERVAL 4 MINUTE"), "fail", "last run 24"),
    ("agents.cron", agents("LAST_EXEC = NULL"), "fail", "none of 2 agents has ever run here"),
    ("agents.cron", agents("NEXT_EXEC = NOW() - INTERVAL 16 MINUTE"), "fail", "2 of 2 overdue"),
    ("agents.stuck", agents("RUNNING = 'Y', DATE_CHECK = NOW() - INTERVAL 2 HOUR"), "warn", "1 CAgent::CleanUp();"),
    ("agents.stuck", agents("RETRY_COUNT = 1"), "warn", "2 CTaskReminders"),
    ("mail.queue", sql("UPDATE b_event SET DATE_INSERT = NOW() - INTERVAL 11 MINUTE"),
     "fail", "1 waiting, 1 of them too"),
    ("mail.queue", sql("UPDATE b_event SET SUCCESS_EXEC = 'F' WHERE SUCCESS_EXEC = 'Y'"),
     "warn", "1 failed within a day"),
    # identity
    ("identity.login", users("EXTERNAL_AUTH_ID = 'socservices'"), "fail", "1 authenticated by socservices): anna"),
    ("identity.login", users("BLOCKED = 'Y', PASSWORD = ''"),
     "fail", "1 of 2 employees cannot log in (1 blocked, 1 no pa"),
    ("identity.login", users("PASSWORD_EXPIRED = 'Y'"), "fail", "1 password expired"),
    ("identity.login", users("CONFIRM_CODE = 'abc'"), "fail", "1 invitation not accepted"),
    ("identity.local_admin", sql("UPDATE b_user SET EXTERNAL_AUTH_ID = 'socservices' WHERE ID = 1"), "fail", "none"),
    ("identity.local_admin", sql("UPDATE b_user_group SET DATE_ACTIVE_TO = '2020-01-01'"), "fail", "none"),
    ("identity.password_hashes", users("PASSWORD = LEFT(PASSWORD, 50)"), "fail", "1 hashes are cut off: anna"),
    ("identity.password_hashes", both(sql("UPDATE b_user SET PASSWORD = ''"),
                                      sql("ALTER TABLE b_user MODIFY PASSWORD varchar(50)")),
     "fail", "only 50 characters"),
    ("identity.session_policy", sql("UPDATE b_group SET SECURITY_POLICY ="
                                    " 'a:1:{s:15:\"SESSION_IP_MASK\";s:11:\"255.255.0.0\";}' WHERE ID = 1"), "warn",
     "Administrators (255.255.0.0)"),
    # search
    ("search.index", sql("DELETE FROM b_search_content"), "fail", "b_search_content is empty"),
    ("search.index", sql("DELETE FROM b_search_content_text"), "fail", "only 0 have a text"),
    ("search.index", sql("UPDATE b_search_content SET MODULE_ID = 'forum' WHERE ID = 1"), "fail", "only 0 of 1 tasks"),
    ("search.engine", both(option("search", "full_text_engine", "mysql"),
                           sql("ALTER TABLE b_search_content_text DROP INDEX fti")), "fail", "no full text index"),
    ("search.engine", option("search", "full_text_engine", "sphinx"),
     "fail", "sphinx at 127.0.0.1:9306 does not answer"),
    ("search.engine", both(option("search", "full_text_engine", "sphinx"),
                           option("search", "sphinx_connection", "localhost")), "fail", "which is no host and port"),
    ("search.extractors", option("intranet", "search_file_extension_exe_doc", "no-such \"open"), "warn", "no-such"),
    ("search.reindex_notice", sql("INSERT INTO b_admin_notify (MODULE_ID, TAG) VALUES ('search', 'SEARCH_REINDEX')"),
     "warn", "asks for it"),
    # content
    ("content.files", remove("upload/disk/a1/x.txt"), "fail", "1 missing, 0 of another size: 10 upload/disk/a1/x.txt"),
    ("content.files", write("upload/disk/b2/y.txt", "1"), "fail", "y.txt (1 instead of 6 bytes)"),
    ("content.files", sql("DELETE FROM b_file"), "fail", "b_file is empty, and upload/ holds files"),
    ("content.cloud_files", write("bitrix/restore_cloud_404.php"), "fail", "could not be fetched"),
    ("content.cloud_files", sql("UPDATE b_file SET HANDLER_ID = '3' WHERE ID = 10"),
     "fail", "1 in bucket 3; not every"),
    ("content.cloud_files", both(sql("UPDATE b_file SET HANDLER_ID = '3' WHERE ID = 10"),
                                 sql("INSERT INTO b_clouds_file_bucket (ID, ACTIVE) VALUES (3, 'Y')")),
     "warn", "bucket 3"),
    ("content.steppers", option("main.stepper.disk", "Bitrix\\Disk\\Update", "x"), "warn", "disk Bitrix\\Disk\\Update"),
    ("content.steppers", agents("NAME = 'Bitrix\\\\\\\\Crm\\\\\\\\Stepper::execAgent();'"), "warn", "2 unfinished"),
    ("content.task_comments", sql("DELETE FROM b_forum_topic"), "fail", "task 1: topic missing"),
    ("content.task_comments", sql("DELETE FROM b_forum_message WHERE ID = 1001"), "fail", "task 1: counter wrong"),
    ("content.task_comments", sql("UPDATE b_tasks SET FORUM_TOPIC_ID = NULL"), "fail", "topic 100: no task"),
    ("content.task_chats", sql("DELETE FROM b_im_chat"), "fail", "1 tasks name a chat that is missing: 1"),
    ("content.notices", sql("INSERT INTO b_admin_notify (MODULE_ID, TAG) VALUES ('main', 'SITE_CHECKER')"), "warn",
     "open: SITE_CHECKER"),
    # modules
    ("modules.on_disk", sql("INSERT INTO b_module (ID) VALUES ('sale')"), "fail", "1 of 11 are not on the disk: sale"),
    ("modules.on_disk", sql("INSERT INTO b_module (ID) VALUES ('bitrix24')"), "fail", "a hybrid of cloud and box"),
    ("modules.versions", write("bitrix/modules/tasks/install/version.php", "<?php"), "warn", "no version: tasks"),
    ("modules.versions", remove("bitrix/modules/main/classes/general/version.php"), "pass", "main 26.1.4"),
    ("modules.versions", write("bitrix/modules/main/classes/general/version.php", "<?php"),
     "fail", "main states no version"),
    ("modules.orphans", sql("UPDATE b_agent SET MODULE_ID = 'gone' WHERE ID = 2"), "warn", "1 of gone in b_agent"),
    ("modules.orphans", sql("UPDATE b_module_to_module SET TO_MODULE_ID = 'gone'"), "warn", "1 of gone in b_module_to"),
    # security
    ("security.leftovers", write("restore.php"), "fail", "1: restore.php"),
    ("security.leftovers", write("upload/bitrixsetup.php"), "fail", "upload/bitrixsetup.php"),
    ("security.leftovers", write("bitrix/backup/portal.sql.1"), "fail", "bitrix/backup/portal.sql.1"),
    ("security.leftovers", write(".htaccess.restore"), "fail", ".htaccess.restore"),
    ("security.leftovers", write("bitrix/.settings.restore.php"), "fail", "bitrix/.settings.restore.php"),
    ("security.leftovers", write("20260101_full.enc.gz.12"), "fail", "20260101_full.enc.gz.12"),
    ("security.leftovers_outside", answer("/restore.php", 200), "fail", "/restore.php (200)"),
    ("security.denied_paths", answer("/bitrix/.settings.php", 200), "fail", "/bitrix/.settings.php (200)"),
    ("security.denied_paths", answer("/.git/config", 302, {"Location": "/auth/"}), "fail", "/.git/config (302)"),
    ("security.secret_modes", lambda w: (w.portal.root / SETTINGS).chmod(0o644), "fail", ".settings.php has 0644"),
    ("security.secret_modes", lambda w: (w.portal.root / "upload").chmod(0o777), "fail", "upload has 0777"),
    # licence
    ("licence.key", remove("bitrix/license_key.php"), "fail", "runs as a trial"),
    ("licence.key", edit("bitrix/license_key.php", "BOX-AAAA-BBBB-CCCC", "DEMO"), "fail", "the key is DEMO"),
    ("licence.header", answer("/", 200, {"X-Powered-CMS": "Bitrix Site Manager (DEMO)"}), "fail", "as a trial"),
    ("licence.header", edit("bitrix/license_key.php", "CCCC", "DDDD"), "fail", "another key"),
    ("licence.users", option("main", "PARAM_MAX_USERS", "1"), "fail", "2 of 1 users"),
    ("licence.users", option("main", "PARAM_MAX_USERS", "2"), "warn", "2 of 2 users"),
    ("licence.development", option("main", "update_devsrv", "Y"), "warn", "a copy for development"),
]  # fmt: skip

#: What keeps a check from looking at all, beside the things that are missing for every check.
BLINDS: list[tuple[str, t.Callable[[t.Any], t.Any], str]] = [
    ("environment.php", context(run_command=lambda arguments: (127, "", "php: not found")),
     "php failed with status 127"),
    ("environment.php", context(run_command=lambda arguments: (0, "Warning", "")), "php answered 'Warning'"),
    ("settings.readable", edit(SETTINGS, "return [", "return $x; ["), "returns an expression"),
    ("settings.readable", edit(DBCONN, "$DBDebug =", "'open"), "a string that begins here never ends"),
    ("settings.crypto_key", edit(SETTINGS, "'0123456789abcdef0123456789abcdef'", "getenv('KEY')"), "by an expression"),
    ("domain.certificate_names", sql("UPDATE b_lang SET SERVER_NAME = ''"), "no active site has a SERVER_NAME"),
    ("push.key", push(running=False), "answered 502"),
    ("push.key", option("pull", "path_to_websocket_secure", "wss://rtc.test/sub/"), "Connection refused"),
    ("push.key", option("pull", "path_to_websocket_secure", "#DOMAIN#/sub/"), "which is no address"),
    ("push.processes", push(statistics=None), "answered 404 and no list of processes"),
    ("push.roundtrip_websocket", option("pull", "signature_algo", "sha0"), "signature_algo 'sha0' is not known"),
    ("agents.cron", agents("ACTIVE = 'N'"), "there is no active agent"),
    ("identity.login", sql("DELETE FROM b_utm_user"), "no active employee was found"),
    ("identity.session_policy", sql("DELETE FROM b_group"), "there is no active group"),
    ("search.engine", option("search", "full_text_engine", "opensearch"), "engine opensearch is not known"),
    ("modules.on_disk", sql("DELETE FROM b_module"), "does not even name the module main"),
    ("security.denied_paths", answer("/.git/config", 500), "the server failed on /.git/config (500)"),
    ("licence.header", answer("/", 200), "there is no header X-Powered-CMS"),
    ("licence.users", option("main", "PARAM_MAX_USERS", "many"), "is no number"),
    ("licence.key", edit("bitrix/license_key.php", '"BOX', 'getenv("X") . "BOX'), "computes the key"),
]  # fmt: skip

#: What makes a check say that it does not apply here.
SKIPS: list[tuple[str, t.Callable[[t.Any], t.Any], str]] = [
    ("push.server", both(option("pull", "server_mode", "shared"), option("pull", "registered_on_shared_server", "Y")),
     "the vendor's shared push server is used"),
    *[(name, both(option("pull", "nginx", "N"), context(push_expected=False)), "without a push server")
      for name in ("push.server", "push.roundtrip_longpoll", "push.roundtrip_websocket", "push.key", "push.processes")],
    ("push.key", option("pull", "nginx_version", "5"), "clients show tokens"),
    ("search.index", sql("RENAME TABLE b_search_content TO b_search_content_gone"),
     "there is no table b_search_content"),
    ("content.task_comments", sql("RENAME TABLE b_tasks TO b_tasks_gone"), "there is no table b_tasks"),
    ("content.task_chats", sql("RENAME TABLE b_tasks_task_chat TO b_tasks_task_chat_gone"), "b_tasks_task_chat"),
    ("licence.users", option("main", "PARAM_MAX_USERS", "0"), "sets no limit"),
]  # fmt: skip
