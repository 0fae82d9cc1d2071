# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What binds a portal to the outside world: applications, bots, push, mail, calendars, telephony, search."""

from __future__ import annotations

import typing as t

from lab.dump_writer import Row
from lab.rest.service import CODE

from .people import robot_id
from .world import World, rows_of

MARKET_APP, LOCAL_APP, EXPIRED_APP = 1, 2, 3


def b_rest_app(w: World) -> t.Iterator[Row]:
    """A paid application of the market, a local one, and an expired one."""
    apps = (
        (MARKET_APP, "vendor.telephony", "P", "Y", "crm,telephony,im,imbot", "Телефония", w.ago(-200 * 86400)[:10]),
        (LOCAL_APP, f"local.{w.token('app', LOCAL_APP, 14)}", "L", "Y", "crm,user", "Сайт застройщика", None),
        (EXPIRED_APP, "vendor.messengers", "S", "Y", "imopenlines,im", "Мессенджеры", w.ago(60 * 86400)[:10]),
    )
    for number, code, status, installed, scope, name, finish in apps:
        yield {
            "ID": number,
            "CLIENT_ID": f"app.{w.token('client', number, 14)}.{number:08}",
            "CODE": code,
            "INSTALLED": installed,
            "URL": f"https://{code.split('.')[1]}.apps.test/index",
            "SCOPE": scope,
            "STATUS": status,
            "DATE_FINISH": finish,
            "SHARED_KEY": w.token("shared", number),
            "CLIENT_SECRET": w.token("secret", number, 50),
            "APP_NAME": name,
            "APPLICATION_TOKEN": w.token("application", number),
        }


def b_rest_event(w: World) -> t.Iterator[Row]:
    """Events of applications, and outgoing webhooks (no application): a copy of the portal would call them."""
    events = (
        (MARKET_APP, "ONCRMLEADADD", "https://telephony.apps.test/event"),
        (None, "ONCRMDEALUPDATE", "https://hooks.company.test/deal"),
        (None, "ONTASKADD", "https://hooks.company.test/task"),
        (9, "ONIMBOTMESSAGEADD", "https://gone.apps.test/event"),
    )
    for number, (app, event, handler) in enumerate(events, 1):
        row: Row = {"ID": number, "APP_ID": app, "EVENT_NAME": event, "EVENT_HANDLER": handler}
        yield {**row, "APPLICATION_TOKEN": w.token("event", number), "DATE_CREATE": w.ago(number * 86400 * 30)}


def b_rest_event_offline(w: World) -> t.Iterator[Row]:
    row: Row = {"ID": 1, "TIMESTAMP_X": w.ago(900), "MESSAGE_ID": w.token("offline", 1), "APP_ID": MARKET_APP}
    yield {**row, "EVENT_NAME": "ONCRMLEADADD", "EVENT_DATA": "a:0:{}"}


def b_rest_ap(w: World) -> t.Iterator[Row]:
    """Incoming webhooks; their passwords go on working in every copy. The last one is the lab's own in the cloud."""
    for number, title in enumerate(("Заявки с сайта", "1С", "Старый отчёт", "Переезд"), 1):
        yield {
            "ID": number,
            "USER_ID": 1,
            "PASSWORD": CODE if number == 4 else w.token("webhook", number, 16),
            "ACTIVE": "N" if number == 3 else "Y",
            "TITLE": title,
            "DATE_CREATE": w.ago(number * 86400 * 90),
        }


def b_rest_placement(w: World) -> t.Iterator[Row]:
    row: Row = {"ID": 1, "APP_ID": MARKET_APP, "PLACEMENT": "CALL_CARD", "TITLE": "Карточка звонка"}
    yield {**row, "PLACEMENT_HANDLER": "https://telephony.apps.test/card"}


def b_im_bot(w: World) -> t.Iterator[Row]:
    """A bot of the cloud alone, one of an installed application, and one whose application is gone."""
    bots = (
        ("bot_support", "imbot", "support24", "S", "Bitrix\\ImBot\\Bot\\Support24", None),
        ("bot_realty", "rest", "realty", "B", None, f"app.{w.token('client', LOCAL_APP, 14)}.{LOCAL_APP:08}"),
        ("bot_orphan", "rest", "orphan", "O", None, "app.00000000000000.00000009"),
    )
    for login, module, code, kind, name, app in bots:
        yield {
            "BOT_ID": robot_id(w, login),
            "MODULE_ID": module,
            "CODE": code,
            "TYPE": kind,
            "CLASS": name,
            "METHOD_MESSAGE_ADD": "onMessageAdd",
            "COUNT_MESSAGE": w.number("bot", robot_id(w, login), 1000),
            "APP_ID": app,
            "OPENLINE": "Y" if kind == "O" else "N",
        }


def b_bp_rest_activity(w: World) -> t.Iterator[Row]:
    row: Row = {"ID": 1, "APP_ID": f"app.{w.token('client', LOCAL_APP, 14)}.{LOCAL_APP:08}", "CODE": "notify_site"}
    yield {**row, "HANDLER": "https://site.apps.test/robot", "IS_ROBOT": "Y"}


def b_bp_workflow_instance(w: World) -> t.Iterator[Row]:
    for number in range(1, 4):
        yield {
            "ID": w.token("workflow", number),
            "MODULE_ID": "crm",
            "ENTITY": "CCrmDocumentLead",
            "DOCUMENT_ID": f"LEAD_{number}",
            "WORKFLOW": bytes.fromhex(w.token("workflow:body", number, 64)),
            "STATUS": 1,
            "MODIFIED": w.ago(number * 3600),
        }


def b_bp_scheduler_event(w: World) -> t.Iterator[Row]:
    row: Row = {"ID": 1, "WORKFLOW_ID": w.token("workflow", 1), "HANDLER": "A1", "EVENT_MODULE": "crm"}
    yield {**row, "EVENT_TYPE": "OnAfterCrmLeadUpdate", "ENTITY_ID": "1"}


def b_pull_channel(w: World) -> t.Iterator[Row]:
    for user in w.staff[: w.users // 2]:
        row: Row = {"ID": user, "USER_ID": user, "CHANNEL_TYPE": "private", "DATE_CREATE": w.ago(3600)}
        yield {**row, "CHANNEL_ID": w.token("channel", user), "CHANNEL_PUBLIC_ID": w.token("public", user)}


def b_pull_push(w: World) -> t.Iterator[Row]:
    """Telephones of real people: a copy of the portal must not ring them."""
    for user in w.staff[: w.users // 3]:
        yield {
            "ID": user,
            "USER_ID": user,
            "DEVICE_TYPE": w.pick("device", user, ("APPLE", "GOOGLE/REV2")),
            "APP_ID": "Bitrix24",
            "UNIQUE_HASH": w.token("device:hash", user),
            "DEVICE_ID": w.token("device:id", user, 16),
            "DEVICE_NAME": "Телефон",
            "DEVICE_TOKEN": w.token("device:token", user, 64),
            "DATE_CREATE": w.ago(100 * 86400),
            "DATE_AUTH": w.ago(86400),
        }


def b_pull_push_queue(w: World) -> t.Iterator[Row]:
    yield {"ID": 1, "USER_ID": 1, "TAG": "TASKS", "MESSAGE": "Новая задача", "DATE_CREATE": w.ago(20)}


def b_main_mail_sender(w: World) -> t.Iterator[Row]:
    yield {"ID": 1, "NAME": "Отдел продаж", "EMAIL": "sales@company.test", "USER_ID": 1, "IS_CONFIRMED": 1}


def b_mail_mailbox(w: World) -> t.Iterator[Row]:
    yield {
        "ID": 1,
        "LID": "s1",
        "NAME": "sales@company.test",
        "SERVER": "imap.company.test",
        "LOGIN": "sales@company.test",
        "PASSWORD": w.token("mailbox", 1, 64),
        "USER_ID": 1,
    }


def b_dav_connections(w: World) -> t.Iterator[Row]:
    row: Row = {"ID": 1, "ENTITY_ID": 2, "ACCOUNT_TYPE": "caldav", "NAME": "Календарь", "SERVER_USERNAME": "user2"}
    yield {**row, "SERVER_HOST": "caldav.company.test", "SERVER_PASSWORD": w.token("dav", 1, 32)}


def b_calendar_push(w: World) -> t.Iterator[Row]:
    row: Row = {"ENTITY_TYPE": "CONNECTION", "ENTITY_ID": 1, "EXPIRES": w.ago(-5 * 86400)}
    yield {**row, "CHANNEL_ID": w.token("calendar", 1, 36), "RESOURCE_ID": w.token("calendar", 2, 36)}


def b_imconnectors_status(w: World) -> t.Iterator[Row]:
    row: Row = {"ID": 1, "CONNECTOR": "livechat", "LINE": "1", "ACTIVE": "Y", "CONNECTION": "Y", "REGISTER": "Y"}
    yield {**row, "DATA": f"https://{w.cloud_domain}/online/livechat"}


def b_imconnectors_custom_connectors(w: World) -> t.Iterator[Row]:
    yield {"ID": 1, "ID_CONNECTOR": "messengers_1", "NAME": "Мессенджеры", "REST_APP_ID": EXPIRED_APP}


def b_voximplant_config(w: World) -> t.Iterator[Row]:
    yield {"ID": 1, "PORTAL_MODE": "SIP", "SEARCH_ID": "sip1", "PHONE_NAME": "Офисная АТС"}
    yield {"ID": 2, "PORTAL_MODE": "RENT", "SEARCH_ID": "74950000000", "PHONE_NAME": "Городской номер"}


def b_voximplant_sip(w: World) -> t.Iterator[Row]:
    row: Row = {"ID": 1, "CONFIG_ID": 1, "TYPE": "office", "SERVER": "198.18.0.20", "LOGIN": "portal"}
    yield {**row, "PASSWORD": w.token("sip", 1, 16)}


def b_voximplant_external_line(w: World) -> t.Iterator[Row]:
    row: Row = {"ID": 1, "NUMBER": "74950000001", "NAME": "Линия приложения", "REST_APP_ID": MARKET_APP}
    yield {**row, "DATE_CREATE": w.ago(300 * 86400)}


def b_search_custom_rank(w: World) -> t.Iterator[Row]:
    yield {"ID": 1, "APPLIED": "Y", "RANK": 10, "SITE_ID": "s1", "MODULE_ID": "tasks"}


def b_search_phrase(w: World) -> t.Iterator[Row]:
    for number in range(1, 21):
        row: Row = {"ID": number, "TIMESTAMP_X": w.ago(number * 5000), "SITE_ID": "s1"}
        yield {**row, "RESULT_COUNT": number % 7, "PHRASE": w.phrase("search", number)}


ROWS = rows_of(globals())
