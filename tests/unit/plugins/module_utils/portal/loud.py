# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a production portal speaks with, added to the toy portal."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute

#: Tables that the fixture portal does not have: the columns that matter.
TABLES = {
    "b_mail_oauth": "ID int AUTO_INCREMENT PRIMARY KEY, UID varchar(32), TOKEN text, REFRESH_TOKEN text",
    "b_sender_mailing_chain": "ID int AUTO_INCREMENT PRIMARY KEY, MAILING_ID int, STATUS char(1) NOT NULL",
    "b_messageservice_message": "ID int AUTO_INCREMENT PRIMARY KEY, MESSAGE_TO varchar(50), SUCCESS_EXEC char(1)",
    "b_messageservice_rest_app": "ID int AUTO_INCREMENT PRIMARY KEY, APP_ID varchar(128), HANDLER varchar(1000)",
    "b_bp_workflow_trigger_schedule": "ID int AUTO_INCREMENT PRIMARY KEY, TEMPLATE_ID int, NEXT_RUN_AT datetime",
    "b_voximplant_phone": "ID int AUTO_INCREMENT PRIMARY KEY, USER_ID int, PHONE_NUMBER varchar(20)",
    "b_calendar_section_connection": "ID int AUTO_INCREMENT PRIMARY KEY, SECTION_ID int, CONNECTION_ID int",
}
_SECRET = "canary-of-production"
IDENTITY = {
    "main.server_uniq_id": f"{_SECRET}-1",
    "pull.host_id": "production-host",
    "pull.signature_key": f"{_SECRET}-2",
}
_OPTIONS = {
    **IDENTITY,
    "main.check_events": "Y",
    "main.check_agents": "Y",
    "pull.nginx": "Y",
    "pull.push": "Y",
    "pull.server_mode": "shared",
    "pull.shared_server_key": _SECRET,
    "pull.shared_server_address": "rtc-cloud.bitrix24.tech",
    "pull.registered_on_shared_server": "Y",
    "rest.service_client_id": "app.1",
    "rest.service_client_secret": _SECRET,
}
_NOW = "2026-04-13 18:00:00"
_ROWS: dict[str, list[dict[str, t.Any]]] = {
    "b_event": [{"EVENT_NAME": "A", "LID": "s1", "SUCCESS_EXEC": "F"}],
    "b_mail_mailbox": [{"LID": "s1", "LOGIN": "sales", "PASSWORD": "encrypted"}],
    "b_mail_oauth": [{"UID": "u", "TOKEN": _SECRET}],
    "b_main_mail_sender": [{"EMAIL": "sales@company.test", "USER_ID": 1, "IS_CONFIRMED": 1}],
    "b_sender_mailing_chain": [{"MAILING_ID": 1, "STATUS": "S"}, {"MAILING_ID": 1, "STATUS": "Y"}],
    "b_messageservice_message": [
        {"MESSAGE_TO": "+49", "SUCCESS_EXEC": "N"},
        {"MESSAGE_TO": "+49", "SUCCESS_EXEC": "P"},
        {"MESSAGE_TO": "+49", "SUCCESS_EXEC": "Y"},
    ],
    "b_messageservice_rest_app": [{"APP_ID": "app.1", "HANDLER": "https://sms.apps.test/send"}],
    "b_pull_push": [{"USER_ID": 1, "DEVICE_TOKEN": _SECRET, "DATE_CREATE": _NOW}],
    "b_pull_push_queue": [{"USER_ID": 1, "MESSAGE": "New task"}],
    "b_pull_channel": [{"USER_ID": 1, "CHANNEL_TYPE": "private", "CHANNEL_ID": "c", "DATE_CREATE": _NOW}],
    "b_pull_stack": [{"CHANNEL_ID": "c", "MESSAGE": "m", "DATE_CREATE": _NOW}],
    "b_pull_watch": [{"USER_ID": 1, "CHANNEL_ID": "c", "TAG": "t", "DATE_CREATE": _NOW}],
    "b_bp_workflow_instance": [
        {"ID": "w", "MODULE_ID": "crm", "ENTITY": "Lead", "DOCUMENT_ID": "LEAD_1", "MODIFIED": _NOW}
    ],
    "b_bp_scheduler_event": [{"WORKFLOW_ID": "w", "HANDLER": "A1", "EVENT_MODULE": "crm", "EVENT_TYPE": "e"}],
    "b_bp_workflow_trigger_schedule": [{"TEMPLATE_ID": 1, "NEXT_RUN_AT": _NOW}],
    "b_bp_rest_activity": [{"APP_ID": "app.1", "CODE": "notify", "HANDLER": "https://site.apps.test/robot"}],
    "b_rest_event": [
        {"APP_ID": None, "EVENT_NAME": "ONCRMDEALUPDATE", "EVENT_HANDLER": "https://hooks.company.test/deal"},
        {"APP_ID": 1, "EVENT_NAME": "ONCRMLEADADD", "EVENT_HANDLER": "https://telephony.apps.test/event"},
    ],
    "b_rest_event_offline": [{"MESSAGE_ID": "m", "APP_ID": 1, "EVENT_NAME": "ONCRMLEADADD"}],
    "b_rest_ap": [{"USER_ID": 1, "PASSWORD": _SECRET, "ACTIVE": "Y"}],
    "b_voximplant_sip": [{"CONFIG_ID": 1, "SERVER": "pbx.company.test", "LOGIN": "portal", "PASSWORD": _SECRET}],
    "b_voximplant_phone": [{"USER_ID": 1, "PHONE_NUMBER": "74950000000"}],
    "b_voximplant_external_line": [{"NUMBER": "74950000001"}],
    "b_voximplant_config": [{"PORTAL_MODE": "RENT", "SEARCH_ID": "74950000000"}, {"PORTAL_MODE": "SIP"}],
    "b_imconnectors_status": [
        {"CONNECTOR": "livechat", "LINE": "1", "ACTIVE": "Y", "CONNECTION": "Y", "REGISTER": "Y"}
    ],
    "b_calendar_push": [
        {"ENTITY_TYPE": "CONNECTION", "ENTITY_ID": 1, "CHANNEL_ID": "c", "RESOURCE_ID": "r", "EXPIRES": _NOW}
    ],
    "b_calendar_section_connection": [{"SECTION_ID": 1, "CONNECTION_ID": 1}],
    "b_dav_connections": [{"ENTITY_ID": 2, "ACCOUNT_TYPE": "caldav", "NAME": "c", "SERVER_HOST": "dav.company.test"}],
    "b_clouds_file_bucket": [{"ACTIVE": "Y", "READ_ONLY": "N", "BUCKET": "company"}],
}


def fill(portal: t.Any) -> None:
    """The portal speaks from now on."""
    conn = portal.connect()
    for table, columns in TABLES.items():
        execute(conn, f"CREATE TABLE IF NOT EXISTS {table} ({columns}) ENGINE=InnoDB ROW_FORMAT=DYNAMIC")
    conn.begin()
    for name, value in _OPTIONS.items():
        module, _dot, option = name.partition(".")
        execute(conn, "REPLACE INTO b_option (MODULE_ID, NAME, VALUE) VALUES (%s, %s, %s)", [module, option, value])
    for table, lines in _ROWS.items():
        if table != "b_event":
            execute(conn, f"DELETE FROM {table}")
        for line in lines:
            marks = ", ".join(["%s"] * len(line))
            execute(conn, f"INSERT INTO {table} ({', '.join(line)}) VALUES ({marks})", [*line.values()])
    conn.commit()
    conn.close()


def clear(portal: t.Any) -> None:
    """Other tests expect these tables empty."""
    conn = portal.connect()
    conn.begin()
    gone = {table for table, *_others in portal.altered}
    for table in set(_ROWS) - gone:
        execute(conn, f"DELETE FROM {table}")
    conn.commit()
    conn.close()
