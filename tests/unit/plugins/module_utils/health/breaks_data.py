# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damages to what the database holds, and to the portal's neighbours. See breaks.py."""

from __future__ import annotations

import typing as t

from unit.plugins.module_utils.health.breaks import Break, both, context, edit, option, sql, users
from unit.plugins.module_utils.health.breaks_host import SETTINGS, Change, silent


def before(part: str, **values: t.Any) -> Change:
    return lambda world: world.context.baseline[part].update(values)


def gone(table: str) -> Change:
    return sql(f"RENAME TABLE {table} TO {table}_gone")


def view_on_nothing(world: t.Any) -> None:
    for statement in ("CREATE TABLE b_short_lived (ID int)", "CREATE VIEW b_view AS SELECT * FROM b_short_lived",
                      "DROP TABLE b_short_lived"):  # fmt: skip
        world.portal.sql(statement)


BREAKS: list[Break] = [
    # database
    ("database.server_charset", sql("SET GLOBAL character_set_server = latin1"), "fail", "server is latin1"),
    ("database.server_charset", lambda w: w.context.query("SET character_set_results = latin1"), "pass", "utf8mb4"),
    ("database.table_status", view_on_nothing, "fail", "1: b_view"),
    ("database.auto_increment", sql("ALTER TABLE b_crm_lead MODIFY ID int NOT NULL"), "fail", "lost in b_crm_lead"),
    # domain
    ("domain.mail_addresses", option("main", "email_from", ""), "fail", "main.email_from is ''"),
    ("domain.mail_addresses", sql("UPDATE b_lang SET EMAIL = 'a@acme.bitrix24.ru' WHERE LID = 's1'"), "fail",
     "s1.EMAIL"),
    ("domain.sites", sql("UPDATE b_lang SET DEF = 'N'"), "fail", "0 active sites are the default"),
    ("domain.sites", both(sql("UPDATE b_lang SET DOMAIN_LIMITED = 'Y' WHERE LID = 'ex'"),
                          sql("UPDATE b_lang_domain SET DOMAIN = 'acme.bitrix24.ru' WHERE LID = 'ex'")), "fail",
     "site ex is limited to acme.bitrix24.ru"),
    ("domain.sites", both(sql("UPDATE b_lang SET CHARSET = 'UTF-8' WHERE LID = 's1'"),
                          sql("UPDATE b_lang SET CHARSET = 'windows-1251' WHERE LID = 'ex'")), "fail", "utf-8, win"),
    ("domain.landing_sites", sql("UPDATE b_landing_domain SET DOMAIN = 'acme.bitrix24.site'"), "warn", "acme.bitri"),
    # identity
    ("identity.server_id", option("main", "server_uniq_id", ""), "fail", "server_uniq_id is empty"),
    ("identity.forced_logins", sql(
        "INSERT INTO b_event_log (TIMESTAMP_X, SEVERITY, AUDIT_TYPE_ID, MODULE_ID, ITEM_ID, USER_ID)"
        " SELECT NOW(), 'SECURITY', 'USER_AUTHORIZE', 'main', '2', 2 FROM seq_1_to_21"), "warn", "user 2 21 times"),
    ("identity.ldap", sql("UPDATE b_ldap_server SET ACTIVE = 'N'"), "fail", "1 users of server 1, which is not active"),
    ("identity.ldap", silent("ldap.company.test"), "fail", "ldap.company.test:389 does not answer"),
    ("identity.ldap", gone("b_ldap_server"), "fail", "the module ldap is not installed"),
    ("identity.network", option("socialservices", "bitrix24net_domain", "https://acme.bitrix24.ru"), "warn",
     "registered for https://acme.bitrix24.ru; 0 users"),
    ("identity.network", both(users("EXTERNAL_AUTH_ID = 'socservices'"),
                              option("socialservices", "bitrix24net_domain", "https://acme.bitrix24.ru")), "fail",
     "1 users log in this way"),
    ("identity.network", both(users("EXTERNAL_AUTH_ID = 'socservices'"),
                              sql("DELETE FROM b_option WHERE MODULE_ID = 'socialservices'")), "fail", "not regist"),
    ("identity.network", option("socialservices", "bitrix24net_secret", ""), "fail", "bitrix24net_secret is empty"),
    ("identity.one_time_codes", sql("DELETE FROM b_sec_user WHERE USER_ID = 2"), "warn", "have no device: anna"),
    ("identity.arrived", sql("UPDATE b_user SET LAST_ACTIVITY_DATE = '2026-01-02'"), "warn", "0 of 2 employees since"),
    # agents and mail
    ("agents.switched_off", option("main", "check_events", "N"), "fail", "switched off: main.check_events"),
    ("agents.messenger_queue", sql(
        "INSERT INTO b_main_messenger_message (QUEUE_ID, CLASS, PAYLOAD, CREATED_AT, AVAILABLE_AT)"
        " VALUES ('tasks', 'x', 'x', NOW(), NOW() - INTERVAL 1 HOUR)"), "warn", "too late: 1 in tasks"),
    ("mail.mailboxes", silent("imap.company.test"), "fail", "imap.company.test:993 for 1 mailboxes"),
    ("mail.passwords", edit(SETTINGS, "'0123456789abcdef0123456789abcdef'", "''"), "fail", "1 mailboxes and 0 senders"),
    # search
    ("search.fresh", sql("UPDATE b_search_content SET DATE_CHANGE = NOW() - INTERVAL 2 DAY"), "warn", "newest entry"),
    ("search.users", sql("DELETE FROM b_user_index WHERE USER_ID = 2"), "warn", "1 of 2 users are missing"),
    ("search.extractors", option("intranet", "search_file_extension_exe_doc", 'catdoc-gone "#FILE_NAME#"'), "warn",
     "not there: catdoc-gone"),
    # content
    ("content.count_people", before("counts", users=9), "fail", "now 4 users; lost: 5 users"),
    ("content.count_crm", before("counts", leads=7), "fail", "lost: 7 leads"),
    ("content.count_work", sql("DELETE FROM b_tasks"), "fail", "lost: 1 tasks"),
    ("content.count_messages", sql("DELETE FROM b_im_message"), "fail", "lost: 1 messages"),
    ("content.count_files", gone("b_disk_object"), "fail", "no table disk_objects; lost: 2 disk_objects"),
    ("content.newest", before("newest", tasks="2999-01-01 00:00:00"), "fail", "older than before: tasks 20"),
    ("content.disk_files", sql("UPDATE b_disk_object SET FILE_ID = 77 WHERE ID = 2"), "fail", "have no file: 2"),
    ("content.attachments", sql("DELETE FROM b_disk_object WHERE ID = 2"), "fail", "1 attachments have no document: 1"),
    ("content.chat_folders", sql("DELETE FROM b_disk_object WHERE ID = 1"), "fail", "lost their folder: 500"),
    ("content.chat_messages", sql("DELETE FROM b_im_chat"), "fail", "1 messages of 1 chats that are missing"),
    ("content.task_forum", option("tasks", "task_forum_id", "5"), "fail", "'5', and there is no such forum"),
    ("content.task_forum", sql("UPDATE b_forum_topic SET FORUM_ID = 2"), "fail", "1 topics are in other forums than 1"),
    ("content.hidden_comments", sql("UPDATE b_forum_message SET APPROVED = 'N' WHERE ID = 1001"), "warn", "1 wait"),
    ("content.cloud_links", sql("UPDATE b_im_message SET MESSAGE = 'see https://acme.bitrix24.ru/x'"), "warn",
     "1 messages name acme.bitrix24.ru"),
    # modules
    ("modules.handlers", sql("UPDATE b_module_to_module SET TO_PATH = '/modules/rest/gone.php'"), "warn", "1: /modul"),
    # security
    ("security.application_passwords", sql("UPDATE b_user SET ACTIVE = 'N' WHERE ID = 1"), "warn", "not active: 1"),
    # integrations
    ("integrations.rest", option("rest", "service_client_secret", ""), "warn", "rest.service_client_secret is empty"),
    ("integrations.rest", sql("DELETE FROM b_module WHERE ID = 'rest'"), "fail", "rest is not installed"),
    ("integrations.applications", sql("UPDATE b_rest_app SET STATUS = 'P'"), "warn", "1 from the market: local.1"),
    ("integrations.applications", sql("UPDATE b_rest_app SET DATE_FINISH = '2020-01-01'"), "warn", "run out: local.1"),
    ("integrations.orphans", sql("UPDATE b_rest_app SET ACTIVE = 'N'"), "warn", "1 in b_rest_event"),
    ("integrations.cloud_handlers", sql("UPDATE b_rest_event SET EVENT_HANDLER = 'https://acme.bitrix24.ru/x'"), "fail",
     "b_rest_event: acme.bitrix24.ru"),
    ("integrations.handlers_answer", silent("app.partner.test"), "warn", "no connection to app.partner.test:443"),
    ("integrations.incoming", sql("UPDATE b_rest_ap SET USER_ID = 99"), "warn", "1 of users who are not active: 1"),
    ("integrations.bots", sql("UPDATE b_user SET ACTIVE = 'N' WHERE ID = 3"), "warn", "helper (has no active user)"),
    ("integrations.bots", sql("UPDATE b_im_bot SET MODULE_ID = 'support24'"), "warn", "its module is not installed"),
    ("integrations.bots", sql("UPDATE b_im_bot SET APP_ID = 'app.old'"), "warn", "helper (has no application)"),
    ("integrations.connectors", sql("UPDATE b_imconnectors_status SET ERROR = 'Y'"), "warn", "livechat of line 1"),
    ("integrations.update_server", silent("www.bitrix24.com"), "warn", "www.bitrix24.com:443 cannot be reached"),
    ("integrations.update_server", option("main", "update_site_proxy_addr", "proxy.test"), "warn", "proxy.test:3128"),
    ("integrations.cloud_messaging", silent("cloud-messaging.bitrix24.com"), "warn", "cannot be reached"),
    ("integrations.transformer", sql(
        "INSERT INTO b_transformer_command (GUID, STATUS, COMMAND, MODULE, CALLBACK, PARAMS, ERROR_CODE, UPDATE_TIME)"
        " SELECT seq, 1000, 'x', 'x', 'x', 'x', 102, NOW() FROM seq_1_to_5"), "warn", "5 failed"),
    ("integrations.dav_connections", sql("UPDATE b_dav_connections SET LAST_RESULT = '[401] Unauthorized'"), "warn",
     "c.test ([401] Unauthorized)"),
    ("integrations.extranet", option("extranet", "extranet_site", "zz"), "fail", "site zz is not there"),
]  # fmt: skip

BLINDS: list[tuple[str, Change, str]] = [
    ("identity.arrived", sql("DELETE FROM b_utm_user"), "no active employee was found"),
    ("identity.ldap", context(connect_tcp=None), "connections cannot be made from here"),
    ("integrations.update_server", option("main", "update_site", ""), "main.update_site is empty"),
    ("integrations.cloud_messaging", option("pull", "push_service_url", "x"), "push_service_url is 'x'"),
]  # fmt: skip

SKIPS: list[tuple[str, Change, str]] = [
    ("content.count_crm", context(baseline=None), "no baseline was given"),
    ("content.count_crm", lambda w: w.context.baseline.pop("counts"), "the baseline has no counts"),
    ("content.count_people", before("counts", users=None), "the baseline counts none of users, groups"),
    ("identity.network", sql("DELETE FROM b_option WHERE MODULE_ID = 'socialservices'"), "is not used for logins"),
    ("identity.one_time_codes", option("security", "otp_mandatory_using", "N"), "not demanded"),
    ("identity.ldap", both(sql("DELETE FROM b_user WHERE ID = 4"), sql("DELETE FROM b_ldap_server")), "no directory"),
    ("mail.mailboxes", sql("DELETE FROM b_mail_mailbox"), "no mailbox is connected"),
    ("search.extractors", sql("DELETE FROM b_option WHERE MODULE_ID = 'intranet'"), "no program is set"),
    ("integrations.cloud_messaging", option("pull", "push", "N"), "mobile push is off"),
    ("integrations.extranet", sql("DELETE FROM b_module WHERE ID = 'extranet'"), "extranet is not installed"),
    ("integrations.applications", gone("b_rest_app"), "there is no table b_rest_app"),
]  # fmt: skip
