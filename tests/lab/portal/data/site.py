# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sites, modules, options, agents, mail queue: the state in which the vendor's cloud leaves them."""

from __future__ import annotations

import hashlib
import typing as t

from lab.dump_writer import Row

from .world import World, rows_of

# `bitrix24` exists in the cloud only: its row comes with the backup, its folder does not.
CLOUD_MODULE = "bitrix24"
MODULES = (
    "main",
    "bizproc",
    "bitrixcloud",
    "calendar",
    "clouds",
    "crm",
    "dav",
    "disk",
    "forum",
    "im",
    "imbot",
    "imconnector",
    "imopenlines",
    "intranet",
    "mail",
    "pull",
    "rest",
    "search",
    "security",
    "socialnetwork",
    "socialservices",
    "tasks",
    "transformer",
    "voximplant",
)
AGENTS = (
    # module, call, interval, periodic (runs on visits) or not (runs on cron)
    ("main", "CEvent::CleanUpAgent();", 86400, "Y"),
    ("main", "CUser::CleanUpHitAuthAgent();", 86400, "Y"),
    ("main", "CUndo::CleanUpOld();", 86400, "Y"),
    ("main", "CSiteCheckerTest::CommonTest();", 86400, "N"),
    ("main", "CCaptchaAgent::DeleteOldCaptcha(3600);", 3600, "N"),
    ("search", "CSearchSuggest::CleanUpAgent();", 86400, "N"),
    ("crm", "Bitrix\\Crm\\Agent\\Activity\\PingAgent::run();", 60, "N"),
    ("crm", "Bitrix\\Crm\\Ml\\Agent\\Retraining::run();", 86400, "N"),
    ("tasks", "CTaskReminders::SendAgent();", 120, "N"),
    ("tasks", "Bitrix\\Tasks\\Internals\\Counter\\Agent::expireAgent();", 60, "N"),
    ("im", "CIMMail::MailNotifyAgent();", 600, "N"),
    ("mail", "CMailbox::CheckMailAgent(1);", 600, "N"),
    ("imopenlines", "Bitrix\\ImOpenLines\\Session\\Agent::mailByTime(0);", 60, "N"),
    ("voximplant", "CVoxImplantHistory::DownloadAgent();", 3600, "N"),
    ("disk", "Bitrix\\Disk\\Bitrix24Disk\\UploadFileManager::removeIrrelevant();", 3600, "N"),
    ("rest", "Bitrix\\Rest\\EventTable::checkAgent();", 300, "N"),
    (CLOUD_MODULE, "CBitrix24::CheckPortalAgent();", 3600, "N"),
)


def options(w: World) -> dict[str, dict[str, str]]:
    """`b_option` by module, as the cloud wrote it: wrong for a box wherever a role or check must act."""
    url = f"https://{w.cloud_domain}"
    return {
        "main": {
            "server_name": w.cloud_domain,
            "site_name": "Компания",
            "email_from": f"noreply@{w.cloud_domain}",
            "cookie_name": "BITRIX_SM",
            "mail_link_protocol": "http",
            "server_uniq_id": w.token("server", 1),
            "update_devsrv": "N",
            "check_agents": "Y",
            "check_events": "Y",
            "agents_use_crontab": "N",
            "bx_fast_download": "N",
            "session_expand": "Y",
            "store_password": "Y",
            "use_session_id_ttl": "N",
            "PARAM_MAX_USERS": "0",
            "~license_name": "Энтерпрайз",
            "~support_finish_date": "2027-04-01",
            "~PARAM_CLIENT_LANG": "ru",
            "vendor": "1c_bitrix_portal",
            "update_site": "www.1c-bitrix.ru",
            "dump_temporary_cache": "bm90IGEgcmVhbCBzZWNyZXQ=",
            "~ft_b_crm_lead": 'a:1:{s:18:"SEARCHABLE_CONTENT";b:1;}',
        },
        "main.stepper.crm": {
            "Bitrix\\Crm\\Update\\Order\\DealStepper": 'a:2:{s:5:"count";i:100;s:5:"steps";i:40;}',
        },
        "pull": {
            "nginx": "N",
            "nginx_version": "3",
            "server_mode": "shared",
            "shared_server_address": "rtc-cloud.bitrix24.tech",
            "shared_server_key": w.token("pull", 1),
            "registered_on_shared_server": "N",
            "signature_key": w.token("pull", 2),
            "path_to_publish": "http://10.12.0.31:8895/bitrix/pub/",
            "host_id": w.token("pull", 3),
            "push": "Y",
            "nginx_error": "N",
        },
        "disk": {"successfully_converted": "Y", "disk_onlyoffice_b24_serverHost": f"https://oo.{w.cloud_domain}"},
        "search": {"full_text_engine": "mysql", "include_mask": "*.php;*.html"},
        "tasks": {"task_forum_id": "8", "migrate_recent_tasks_limit": "10"},
        "socialservices": {
            "bitrix24net_id": "b24.1a2b3c4d5e6f70.00000001",
            "bitrix24net_secret": w.token("net", 1),
            "bitrix24net_domain": url,
        },
        "rest": {"service_client_id": "app.5f00000000000.00000000", "service_client_secret": w.token("rest", 1)},
        "imbot": {"portal_url": url},
        "imopenlines": {"portal_url": url},
        "imconnector": {"uri_client": url},
        "voximplant": {"portal_url": url},
        "transformer": {
            "portal_url": url,
            "transformer_controller_url": "https://transformer-ru.bitrix24.tech/bitrix/tools/transformercontroller/add_queue.php",
        },
        "bitrix24": {"~license_type": "ent250", "host_name": w.cloud_domain},
    }


def b_option(w: World) -> t.Iterator[Row]:
    for module, values in options(w).items():
        for name, value in values.items():
            yield {"MODULE_ID": module, "NAME": name, "VALUE": value}


def b_option_site(w: World) -> t.Iterator[Row]:
    yield {"MODULE_ID": "main", "NAME": "wizard_logo", "SITE_ID": "s1", "VALUE": ""}
    yield {"MODULE_ID": "socialnetwork", "NAME": "user_page", "SITE_ID": "s1", "VALUE": "/company/personal/"}


def b_lang(w: World) -> t.Iterator[Row]:
    shared: Row = {
        "FORMAT_DATE": "DD.MM.YYYY",
        "FORMAT_DATETIME": "DD.MM.YYYY HH:MI:SS",
        "CHARSET": "UTF-8",
        "LANGUAGE_ID": "ru",
        "DOC_ROOT": "",
        "SERVER_NAME": w.cloud_domain,
        "EMAIL": f"noreply@{w.cloud_domain}",
        "CULTURE_ID": 1,
    }
    yield {"LID": "s1", "SORT": 1, "DEF": "Y", "NAME": "Компания", "DIR": "/", "SITE_NAME": "Компания", **shared}
    yield {"LID": "ex", "SORT": 2, "NAME": "Экстранет", "DIR": "/extranet/", "SITE_NAME": "Экстранет", **shared}


def b_lang_domain(w: World) -> t.Iterator[Row]:
    yield {"LID": "s1", "DOMAIN": w.cloud_domain}


def b_module(w: World) -> t.Iterator[Row]:
    for name in sorted((*MODULES, CLOUD_MODULE)):
        yield {"ID": name, "DATE_ACTIVE": w.ago(2 * 365 * 86400)}


def b_module_to_module(w: World) -> t.Iterator[Row]:
    handlers = (
        ("main", "OnUserDelete", "forum", "CForum", "OnUserDelete"),
        ("search", "OnReindex", "tasks", "CTasksTools", "OnSearchReindex"),
        ("search", "OnReindex", "crm", "CCrmSearch", "OnSearchReindex"),
        ("main", "OnBeforeProlog", CLOUD_MODULE, "CBitrix24", "OnBeforeProlog"),
    )
    for number, (source, event, target, name, method) in enumerate(handlers, 1):
        yield {
            "ID": number,
            "TIMESTAMP_X": w.ago(2 * 365 * 86400),
            "FROM_MODULE_ID": source,
            "MESSAGE_ID": event,
            "TO_MODULE_ID": target,
            "TO_PATH": "",
            "TO_CLASS": name,
            "TO_METHOD": method,
            "VERSION": 1,
            "UNIQUE_ID": hashlib.md5(f"{source}{event}{target}{name}{method}".encode()).hexdigest(),
        }


def b_agent(w: World) -> t.Iterator[Row]:
    """All agents ran until the backup began; none is marked as running."""
    for number, (module, call, interval, periodic) in enumerate(AGENTS, 1):
        since = w.number("agent", number, min(interval, 3600))
        yield {
            "ID": number,
            "MODULE_ID": module,
            "NAME": call,
            "LAST_EXEC": w.ago(since),
            "NEXT_EXEC": w.ago(since - interval),
            "AGENT_INTERVAL": interval,
            "IS_PERIOD": periodic,
        }


def b_event_message(w: World) -> t.Iterator[Row]:
    templates = (
        (
            "USER_INVITE",
            "#EMAIL#",
            "Приглашение на портал #SITE_NAME#",
            "#LINK_PROTOCOL#://#SERVER_NAME#/auth/?user=#ID#",
        ),
        ("TASK_REMINDER", "#EMAIL#", "Задача: #TITLE#", "#LINK_PROTOCOL#://#SERVER_NAME#/tasks/task/view/#TASK_ID#/"),
        ("USER_PASS_REQUEST", "#EMAIL#", "Смена пароля", "#LINK_PROTOCOL#://#SERVER_NAME#/auth/?change=#CHECKWORD#"),
    )
    for number, (name, to, subject, link) in enumerate(templates, 1):
        yield {
            "ID": number,
            "EVENT_NAME": name,
            "LID": "s1",
            "EMAIL_FROM": "#DEFAULT_EMAIL_FROM#",
            "EMAIL_TO": to,
            "SUBJECT": subject,
            "MESSAGE": f"Здравствуйте!\n\nОткройте {link}\n",
        }


def b_event(w: World) -> t.Iterator[Row]:
    """Sent mail, and two letters that still wait: a copy of the portal would send them."""
    total = 40
    for number in range(1, total + 1):
        waiting = number > total - 2
        task = 1 + w.number("event", number, max(w.tasks, 1))
        fields = {
            "EMAIL": f"user{w.employee('event', number)}@company.test",
            "TASK_ID": str(task),
            "TITLE": f"№ {task}",
        }
        yield {
            "ID": number,
            "EVENT_NAME": "TASK_REMINDER",
            "LID": "s1",
            "C_FIELDS": php_serialize(fields),
            "DATE_INSERT": w.ago((total - number) * 3600 + 30),
            "DATE_EXEC": None if waiting else w.ago((total - number) * 3600),
            "SUCCESS_EXEC": "N" if waiting else "Y",
        }


def php_serialize(fields: dict[str, str]) -> str:
    items = "".join(f's:{len(k.encode())}:"{k}";s:{len(v.encode())}:"{v}";' for k, v in fields.items())
    return f"a:{len(fields)}:{{{items}}}"


def b_bitrixcloud_option(w: World) -> t.Iterator[Row]:
    yield {"ID": 1, "NAME": "cdn_config_active", "PARAM_KEY": "0", "PARAM_VALUE": "0"}
    yield {"ID": 2, "NAME": "cdn_config_domain", "PARAM_KEY": "0", "PARAM_VALUE": w.cloud_domain}


def b_hlbd_zone(w: World) -> t.Iterator[Row]:
    """An automatic id of 0: a careless import numbers it anew."""
    for number, name in enumerate(("Вся страна", "Север", "Юг", "Запад")):
        yield {"ID": number, "UF_NAME": name, "UF_RATE": f"{number}.2500"}


def b_hlbd_device(w: World) -> t.Iterator[Row]:
    """A BIT column, which the vendor's dump spoils, and binary columns."""
    for number in range(1, 61):
        image = bytes.fromhex(w.token("device", number, 128)) * (number % 5)
        yield {
            "ID": number,
            "UF_NAME": f"Домофон {number}",
            "UF_FLAGS": w.number("flags", number, 256),
            "UF_KEY": image[:16] or None,
            "UF_IMAGE": image,
        }


ROWS = rows_of(globals())
