# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, groups and what they log in with. Most employees come from the vendor's network and have no password here."""

from __future__ import annotations

import typing as t

from lab.dump_writer import Row

from .crm import USER_FIELDS
from .world import FIRST_NAMES, LAST_NAMES, POSITIONS, World, rows_of

ADMIN_LOGIN = "admin"
PASSWORD = "Portal-Lab-2026"
# crypt(3) SHA-512 of PASSWORD, as the portal stores it.
PASSWORD_HASH = (
    "$6$labportal1234567$5jbiWT0uAsrk17IPw0vtvCCqZ9ziKdpTHfaJxrMJ29uPntsf1ETPcJtZ/5PXIoSiR979hSEUMMJVJwdaIxSQR0"
)
DEPARTMENT_FIELD = 41
ADMINS, ALL_USERS, STAFF_GROUP = 1, 2, 11
POLICY_MIDDLE = 'a:2:{s:15:"SESSION_TIMEOUT";i:20;s:15:"SESSION_IP_MASK";s:11:"255.255.0.0";}'

# Technical users, after the employees: (login, EXTERNAL_AUTH_ID, name).
ROBOTS = (
    ("bot_support", "bot", "Поддержка"),
    ("bot_realty", "bot", "Бот новостроек"),
    ("bot_orphan", "bot", "Бот без приложения"),
    ("imconnector_1", "imconnector", "Гость сайта"),
    ("client@example.test", "email", "Клиент по почте"),
    ("replica_1", "replica", "Коллега из сети"),
)


def robot_id(w: World, login: str) -> int:
    return w.users + 1 + [robot[0] for robot in ROBOTS].index(login)


def is_local(w: World, user: int) -> bool:
    """Whether the employee has a password of this portal: the administrator and every twelfth."""
    return user == 1 or user % 12 == 0


def is_active(user: int) -> bool:
    return user == 1 or user % 11 != 0


def is_invited(user: int) -> bool:
    """Invited, but never logged in: the confirmation code is still there."""
    return user % 37 == 0


def b_user(w: World) -> t.Iterator[Row]:
    for user in w.staff:
        yield _employee(w, user)
    for number, (login, external, name) in enumerate(ROBOTS, w.users + 1):
        yield {
            "ID": number,
            "LOGIN": login,
            "PASSWORD": "",
            "NAME": name,
            "EMAIL": login if "@" in login else "",
            "DATE_REGISTER": w.ago(400 * 86400),
            "LID": "s1",
            "EXTERNAL_AUTH_ID": external,
        }


def _employee(w: World, user: int) -> Row:
    local = is_local(w, user)
    admin = user == 1
    seen = None if is_invited(user) else w.ago(w.number("seen", user, 5 * 86400) + 300)
    return {
        "ID": user,
        "TIMESTAMP_X": seen,
        "LOGIN": ADMIN_LOGIN if admin else f"user{user}@company.test",
        "PASSWORD": PASSWORD_HASH if local else f"$6${w.token('salt', user, 16)}${w.token('hash', user, 86)}",
        "ACTIVE": "Y" if is_active(user) else "N",
        "NAME": w.pick("first", user, FIRST_NAMES),
        "LAST_NAME": w.pick("last", user, LAST_NAMES),
        "EMAIL": "admin@company.test" if admin else f"user{user}@company.test",
        "LAST_LOGIN": seen,
        "DATE_REGISTER": w.ago(w.created("user", user, w.users)),
        "LID": "s1",
        "PERSONAL_MOBILE": f"+7999{w.number('phone', user, 10_000_000):07}",
        "PERSONAL_NOTES": w.text("notes", user),
        "WORK_POSITION": w.pick("position", user, POSITIONS),
        "XML_ID": None if local else str(40_000_000 + user),
        "EXTERNAL_AUTH_ID": None if local else "socservices",
        "CONFIRM_CODE": w.token("confirm", user, 8) if is_invited(user) else None,
        "LAST_ACTIVITY_DATE": seen,
        "LANGUAGE_ID": "ru",
        "BLOCKED": "Y" if user == 24 else "N",
        "PASSWORD_EXPIRED": "Y" if user == 36 else "N",
    }


def b_group(w: World) -> t.Iterator[Row]:
    groups = ((ADMINS, "Администраторы", None), (ALL_USERS, "Все пользователи", None))
    for number, name, policy in (*groups, (STAFF_GROUP, "Сотрудники", POLICY_MIDDLE)):
        yield {
            "ID": number,
            "TIMESTAMP_X": w.ago(2 * 365 * 86400),
            "ANONYMOUS": "Y" if number == ALL_USERS else "N",
            "NAME": name,
            "SECURITY_POLICY": policy,
            "STRING_ID": "EMPLOYEES_s1" if number == STAFF_GROUP else None,
        }


def b_user_group(w: World) -> t.Iterator[Row]:
    number = 0
    for user in w.staff:
        # The vendor's support account of the cloud is user 2; both are administrators.
        for group in (STAFF_GROUP, ADMINS) if user <= 2 else (STAFF_GROUP,):
            number += 1
            yield {"ID": number, "USER_ID": user, "GROUP_ID": group}


def b_user_field(w: World) -> t.Iterator[Row]:
    yield {
        "ID": DEPARTMENT_FIELD,
        "ENTITY_ID": "USER",
        "FIELD_NAME": "UF_DEPARTMENT",
        "USER_TYPE_ID": "iblock_section",
        "SORT": 1,
        "MULTIPLE": "Y",
    }
    for number, entity, name, kind, multiple in USER_FIELDS:
        row: Row = {"ID": number, "ENTITY_ID": entity, "FIELD_NAME": name, "USER_TYPE_ID": kind, "XML_ID": name}
        yield {**row, "SORT": 100, "MULTIPLE": multiple}


def b_utm_user(w: World) -> t.Iterator[Row]:
    for user in w.staff:
        department = 1 + user % 9
        row: Row = {"ID": user, "VALUE_ID": user, "FIELD_ID": DEPARTMENT_FIELD}
        yield {**row, "VALUE": str(department), "VALUE_INT": department}


def b_socialservices_user(w: World) -> t.Iterator[Row]:
    for user in w.staff:
        if not is_local(w, user):
            yield {
                "ID": user,
                "LOGIN": f"user{user}@company.test",
                "EXTERNAL_AUTH_ID": "Bitrix24Net",
                "USER_ID": user,
                "XML_ID": str(40_000_000 + user),
                "CAN_DELETE": "N",
                "OATOKEN": w.token("oatoken", user, 64),
                "OATOKEN_EXPIRES": w.timestamp + 3600,
                "REFRESH_TOKEN": w.token("refresh", user, 64),
            }


def b_user_stored_auth(w: World) -> t.Iterator[Row]:
    for user in w.staff[: w.users // 4]:
        when = w.ago(w.number("stored", user, 30 * 86400))
        yield {
            "ID": user,
            "USER_ID": user,
            "DATE_REG": when,
            "LAST_AUTH": when,
            "STORED_HASH": w.token("stored", user),
            "IP_ADDR": 3_221_225_985,
        }


def b_user_session(w: World) -> t.Iterator[Row]:
    for number in range(5):
        yield {"SESSION_ID": w.token("session", number), "TIMESTAMP_X": w.ago(600), "SESSION_DATA": "Zm9vYmFy"}


def b_user_phone_auth(w: World) -> t.Iterator[Row]:
    for user in w.staff[: w.users // 10]:
        phone = f"+7999{user:07}"
        yield {"USER_ID": user, "PHONE_NUMBER": phone, "OTP_SECRET": w.token("otp", user, 64), "CONFIRMED": "Y"}


def b_sec_user(w: World) -> t.Iterator[Row]:
    for user in w.staff[1 : w.users // 20 + 1]:
        yield {"USER_ID": user, "ACTIVE": "Y", "SECRET": w.token("sec", user, 32)}


def b_app_password(w: World) -> t.Iterator[Row]:
    yield {
        "ID": 1,
        "USER_ID": 2,
        "APPLICATION_ID": "caldav",
        "PASSWORD": w.token("app", 1, 64),
        "DIGEST_PASSWORD": w.token("app", 2, 64),
        "DATE_CREATE": w.ago(90 * 86400),
    }


def b_extranet_user(w: World) -> t.Iterator[Row]:
    yield {"ID": 1, "USER_ID": robot_id(w, "client@example.test"), "CHARGEABLE": "N", "ROLE": "extranet"}


ROWS = rows_of(globals())
