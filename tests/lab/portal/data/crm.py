# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leads, deals, contacts and what happened with them."""

from __future__ import annotations

import datetime
import typing as t

from lab.box.tables import serialized
from lab.dump_writer import Row, Value

from .world import FIRST_NAMES, LAST_NAMES, NOUNS, SOURCES, World, rows_of

LEAD, DEAL, CONTACT, COMPANY, SMART = 1, 2, 3, 4, 128
LEAD_STAGES = (("NEW", "P"), ("IN_PROCESS", "P"), ("PROCESSED", "P"), ("CONVERTED", "S"), ("JUNK", "F"))
DEAL_STAGES = (("NEW", "P"), ("PREPARATION", "P"), ("EXECUTING", "P"), ("WON", "S"), ("LOSE", "F"))
ACTIVITIES_PER_DEAL = 2
CATEGORY = 1  # the second funnel of deals; the first one is 0 and has no row
SMART_CATEGORY = 2
SMART_STAGES = (("NEW", "P"), ("PREPARATION", "P"), ("SUCCESS", "S"), ("FAIL", "F"))
SOURCE_NAMES = ("Веб-сайт", "Звонок", "Электронная почта", "Реклама", "Обратный звонок")
CONTACT_TYPES = (("CLIENT", "Клиенты"), ("PARTNER", "Партнёры"))
COMPANY_TYPES = (("CUSTOMER", "Клиент"), ("PARTNER", "Партнёр"))
DEAL_TYPES = (("SALE", "Продажа"), ("SERVICES", "Услуги"))
# User fields: ID, entity, name, type, whether multiple. Those of the administrator's making are named like these.
INTEREST, MORTGAGE, LANGUAGE, OBJECTS = 51, 57, 61, 54
USER_FIELDS = (
    (INTEREST, "CRM_LEAD", "UF_CRM_INTEREST", "enumeration", "N"),
    (52, "CRM_LEAD", "UF_CRM_BUDGET", "double", "N"),
    (53, "CRM_LEAD", "UF_CRM_VISIT", "datetime", "N"),
    (OBJECTS, "CRM_LEAD", "UF_CRM_OBJECTS", "string", "Y"),
    (55, "CRM_LEAD", "UF_CRM_NOTE", "string", "N"),
    (56, "CRM_DEAL", "UF_CRM_APARTMENT", "string", "N"),
    (MORTGAGE, "CRM_DEAL", "UF_CRM_MORTGAGE", "boolean", "N"),
    (58, "CRM_DEAL", "UF_CRM_SIGNED", "date", "N"),
    (LANGUAGE, "CRM_CONTACT", "UF_CRM_LANGUAGE", "enumeration", "N"),
    (62, "CRM_COMPANY", "UF_CRM_INN", "string", "N"),
)
# Values of enumerations: ID, field, text, XML_ID.
ENUMERATIONS = (
    (71, INTEREST, "Квартира", "flat"),
    (72, INTEREST, "Паркинг", "parking"),
    (73, INTEREST, "Кладовая", "storage"),
    (74, LANGUAGE, "Русский", "ru"),
    (75, LANGUAGE, "Английский", "en"),
)
INTERESTS, LANGUAGES = (71, 72, 73), (74, 75)
# Every nth record has values in its user fields, or a product row.
FIELDS_EVERY, PRODUCTS_EVERY = 3, 4
# Kinds of activities by turns: type, provider, its type, what of the client it used.
CALL = (2, "VOXIMPLANT_CALL", "CALL", "PHONE")
ACTIVITIES = (
    CALL,
    CALL,
    CALL,
    (1, "CRM_MEETING", "MEETING", ""),
    CALL,
    (4, "CRM_EMAIL", "EMAIL", "EMAIL"),
    CALL,
    (6, "CRM_TODO", "TODO", ""),
)


def companies(w: World) -> int:
    return w.contacts // 20


def smart_items(w: World) -> int:
    return w.deals // 20


def _some(w: World, label: str, item: int, total: int) -> int | None:
    """An id of another table for two of three records."""
    return 1 + w.number(label, item, total) if total and w.number(f"{label}:linked", item, 3) else None


def _record(w: World, kind: str, item: int, total: int) -> Row:
    """The columns that leads, deals and contacts share."""
    age = w.created(kind, item, total)
    modified = w.number(f"{kind}:modified", item, age)
    return {
        "ID": item,
        "COMMENTS": w.text(f"{kind}:comments", item),
        "ASSIGNED_BY_ID": w.employee(f"{kind}:assigned", item),
        "CREATED_BY_ID": w.employee(f"{kind}:author", item),
        "DATE_CREATE": w.ago(age),
        "DATE_MODIFY": w.ago(modified),
        "MODIFY_BY_ID": w.employee(f"{kind}:modifier", item),
    }


def _moved(w: World, kind: str, record: Row, item: int) -> Row:
    """When a record came into its stage: between its first and its last change."""
    born, changed = (datetime.datetime.fromisoformat(str(record[name])) for name in ("DATE_CREATE", "DATE_MODIFY"))
    passed = w.number(f"{kind}:moved", item, int((changed - born).total_seconds()) + 1)
    moved = str(born + datetime.timedelta(seconds=passed))
    return {"MOVED_BY_ID": record["MODIFY_BY_ID"], "MOVED_TIME": moved}


def deal_category(w: World, item: int) -> int:
    """Every fifth deal runs through the second funnel."""
    return CATEGORY if w.number("deal:category", item, 5) == 0 else 0


def phone(w: World, entity: str, item: int) -> str:
    return f"+7495{w.number(f'{entity}:phone', item, 10_000_000):07}"


def email(entity: str, item: int) -> str:
    return f"{entity.lower()}{item}@client.test"


def _person(w: World, kind: str, item: int) -> tuple[str, str]:
    return w.pick(f"{kind}:first", item, FIRST_NAMES), w.pick(f"{kind}:last", item, LAST_NAMES)


def _has_email(w: World, entity: str, item: int) -> bool:
    return w.number(f"{entity}:email", item, 3) == 0


def _has_mobile(w: World, entity: str, item: int) -> bool:
    return w.number(f"{entity}:mobile", item, 8) == 0


def _reachable(w: World, entity: str, item: int) -> Row:
    """Which of its multi-fields a record has; leads and contacts have a phone in any case."""
    by_phone = entity != "COMPANY" or _has_mobile(w, entity, item)
    return {"HAS_PHONE": "Y" if by_phone else "N", "HAS_EMAIL": "Y" if _has_email(w, entity, item) else "N"}


def b_crm_lead(w: World) -> t.Iterator[Row]:
    for item in range(1, w.leads + 1):
        name, last_name = _person(w, "lead", item)
        stage, semantic = w.pick("lead:stage", item, LEAD_STAGES)
        record = _record(w, "lead", item, w.leads)
        yield {
            **record,
            "TITLE": w.phrase("lead", item),
            "NAME": name,
            "LAST_NAME": last_name,
            "STATUS_ID": stage,
            "STATUS_SEMANTIC_ID": semantic,
            "SOURCE_ID": w.pick("lead:source", item, SOURCES),
            "OPPORTUNITY": f"{w.number('lead:sum', item, 9_000_000)}.00",
            "CURRENCY_ID": "RUB",
            "IS_MANUAL_OPPORTUNITY": "Y",
            "FULL_NAME": f"{name} {last_name}",
            **_reachable(w, "LEAD", item),
            **_moved(w, "lead", record, item),
            "CONTACT_ID": _some(w, "lead:contact", item, w.contacts),
            "DATE_CLOSED": None if semantic == "P" else record["DATE_MODIFY"],
        }


def b_crm_deal(w: World) -> t.Iterator[Row]:
    for item in range(1, w.deals + 1):
        stage, semantic = w.pick("deal:stage", item, DEAL_STAGES)
        category = deal_category(w, item)
        stage = f"C{category}:{stage}" if category else stage
        record = _record(w, "deal", item, w.deals)
        yield {
            **record,
            "TITLE": w.phrase("deal", item),
            "CATEGORY_ID": category,
            "STAGE_ID": stage,
            "STAGE_SEMANTIC_ID": semantic,
            "TYPE_ID": w.pick("deal:type", item, DEAL_TYPES)[0],
            "IS_MANUAL_OPPORTUNITY": "Y",
            **_moved(w, "deal", record, item),
            "OPPORTUNITY": f"{w.number('deal:sum', item, 20_000_000)}.{w.number('deal:cents', item, 100):02}",
            "CURRENCY_ID": "RUB",
            "PROBABILITY": w.number("deal:probability", item, 101),
            "LEAD_ID": _some(w, "deal:lead", item, w.leads),
            "CONTACT_ID": _some(w, "deal:contact", item, w.contacts),
            "COMPANY_ID": _some(w, "deal:company", item, companies(w)),
            "CLOSED": "N" if semantic == "P" else "Y",
            "BEGINDATE": str(record["DATE_CREATE"])[:10],
        }


def b_crm_contact(w: World) -> t.Iterator[Row]:
    for item in range(1, w.contacts + 1):
        name, last_name = _person(w, "contact", item)
        yield {
            **_record(w, "contact", item, w.contacts),
            "NAME": name,
            "LAST_NAME": last_name,
            "FULL_NAME": f"{name} {last_name}",
            "COMPANY_ID": _some(w, "contact:company", item, companies(w)),
            "SOURCE_ID": w.pick("contact:source", item, SOURCES),
            "TYPE_ID": "CLIENT",
            **_reachable(w, "CONTACT", item),
        }


def b_crm_company(w: World) -> t.Iterator[Row]:
    for item in range(1, companies(w) + 1):
        record = _record(w, "company", item, companies(w))
        del record["COMMENTS"]
        yield {**record, "TITLE": f"ООО «Партнёр {item}»", "COMPANY_TYPE": "CUSTOMER", **_reachable(w, "COMPANY", item)}


def b_crm_contact_company(w: World) -> t.Iterator[Row]:
    for row in b_crm_contact(w):
        if row["COMPANY_ID"]:
            yield {"CONTACT_ID": row["ID"], "COMPANY_ID": row["COMPANY_ID"], "IS_PRIMARY": "Y"}


def b_crm_deal_contact(w: World) -> t.Iterator[Row]:
    for item in range(1, w.deals + 1):
        if contact := _some(w, "deal:contact", item, w.contacts):
            yield {"DEAL_ID": item, "CONTACT_ID": contact, "IS_PRIMARY": "Y"}


def b_crm_lead_contact(w: World) -> t.Iterator[Row]:
    for item in range(1, w.leads + 1):
        if contact := _some(w, "lead:contact", item, w.contacts):
            yield {"LEAD_ID": item, "CONTACT_ID": contact, "IS_PRIMARY": "Y"}


def b_crm_field_multi(w: World) -> t.Iterator[Row]:
    """A phone for every lead and contact: what callers are recognised by. Then a few more phones and addresses."""
    number = 0
    for entity, total in (("LEAD", w.leads), ("CONTACT", w.contacts)):
        for item in range(1, total + 1):
            number += 1
            yield _multi(number, entity, item, "PHONE", "WORK", phone(w, entity, item))
    for entity, total in (("LEAD", w.leads), ("CONTACT", w.contacts), ("COMPANY", companies(w))):
        for item in range(1, total + 1):
            if _has_email(w, entity, item):
                number += 1
                yield _multi(number, entity, item, "EMAIL", "WORK", email(entity, item))
            if _has_mobile(w, entity, item):
                number += 1
                yield _multi(number, entity, item, "PHONE", "MOBILE", f"+7916{w.number(entity, item, 10_000_000):07}")


def _multi(number: int, entity: str, item: int, kind: str, value_type: str, value: Value) -> Row:
    row: Row = {"ID": number, "ENTITY_ID": entity, "ELEMENT_ID": item, "VALUE": value}
    return {**row, "TYPE_ID": kind, "VALUE_TYPE": value_type, "COMPLEX_ID": f"{kind}_{value_type}"}


def _statuses() -> t.Iterator[Row]:
    stages = (
        ("STATUS", "", LEAD_STAGES, None),
        ("DEAL_STAGE", "", DEAL_STAGES, 0),
        (f"DEAL_STAGE_{CATEGORY}", f"C{CATEGORY}:", DEAL_STAGES, CATEGORY),
        (f"DYNAMIC_{SMART}_STAGE_{SMART_CATEGORY}", f"DT{SMART}_{SMART_CATEGORY}:", SMART_STAGES, SMART_CATEGORY),
    )
    for entity, prefix, members, category in stages:
        for stage, semantic in members:
            row: Row = {"ENTITY_ID": entity, "STATUS_ID": prefix + stage, "NAME": stage.title()}
            yield {**row, "SEMANTICS": None if semantic == "P" else semantic, "CATEGORY_ID": category}
    for entity, pairs in (
        ("SOURCE", tuple(zip(SOURCES, SOURCE_NAMES))),
        ("CONTACT_TYPE", CONTACT_TYPES),
        ("COMPANY_TYPE", COMPANY_TYPES),
        ("DEAL_TYPE", DEAL_TYPES),
    ):
        for status, name in pairs:
            yield {"ENTITY_ID": entity, "STATUS_ID": status, "NAME": name}


def b_crm_status(w: World) -> t.Iterator[Row]:
    sort: dict[Value, int] = {}
    for number, row in enumerate(_statuses(), 1):
        sort[row["ENTITY_ID"]] = sort.get(row["ENTITY_ID"], 0) + 10
        system = "Y" if row["STATUS_ID"] in ("NEW", "CONVERTED", "JUNK", "WON", "LOSE") else "N"
        yield {"ID": number, **row, "SORT": sort[row["ENTITY_ID"]], "SYSTEM": system}


def b_crm_deal_category(w: World) -> t.Iterator[Row]:
    yield {"ID": CATEGORY, "CREATED_DATE": w.ago(700 * 86400)[:10], "NAME": "Коммерческие помещения", "SORT": 200}


def b_crm_item_category(w: World) -> t.Iterator[Row]:
    row: Row = {"ID": SMART_CATEGORY, "ENTITY_TYPE_ID": SMART, "CREATED_DATE": w.ago(600 * 86400)[:10], "SORT": 500}
    yield {**row, "NAME": "Общее", "IS_DEFAULT": "Y"}


def b_crm_dynamic_type(w: World) -> t.Iterator[Row]:
    """One process of the company's own."""
    yield {
        "ID": 1,
        "NAME": "Handover",
        "ENTITY_TYPE_ID": SMART,
        "TABLE_NAME": f"b_crm_dynamic_items_{SMART}",
        "TITLE": "Передача ключей",
        "CREATED_BY": 1,
        "IS_CATEGORIES_ENABLED": "Y",
        "IS_STAGES_ENABLED": "Y",
        "IS_CLIENT_ENABLED": "Y",
        "CREATED_TIME": w.ago(600 * 86400),
    }


def b_crm_dynamic_items_128(w: World) -> t.Iterator[Row]:
    total = smart_items(w)
    for item in range(1, total + 1):
        record = _record(w, "smart", item, total)
        moved = _moved(w, "smart", record, item)
        yield {
            "ID": item,
            "TITLE": w.phrase("smart", item),
            "CREATED_BY": record["CREATED_BY_ID"],
            "UPDATED_BY": record["MODIFY_BY_ID"],
            "MOVED_BY": moved["MOVED_BY_ID"],
            "CREATED_TIME": record["DATE_CREATE"],
            "UPDATED_TIME": record["DATE_MODIFY"],
            "MOVED_TIME": moved["MOVED_TIME"],
            "CATEGORY_ID": SMART_CATEGORY,
            "STAGE_ID": f"DT{SMART}_{SMART_CATEGORY}:{w.pick('smart:stage', item, SMART_STAGES)[0]}",
            "CONTACT_ID": _some(w, "smart:contact", item, w.contacts),
            "ASSIGNED_BY_ID": record["ASSIGNED_BY_ID"],
        }


def b_crm_product_row(w: World) -> t.Iterator[Row]:
    """Free positions without a catalogue's product."""
    number = 0
    for owner, total in (("D", w.deals), ("L", w.leads)):
        for item in range(PRODUCTS_EVERY, total + 1, PRODUCTS_EVERY):
            number += 1
            price = f"{1 + w.number(f'product:{owner}', item, 500_000)}.50"
            yield {
                "ID": number,
                "OWNER_ID": item,
                "OWNER_TYPE": owner,
                "PRODUCT_NAME": w.phrase(f"product:{owner}", item),
                "PRICE": price,
                "PRICE_EXCLUSIVE": price,
                "PRICE_NETTO": price,
                "PRICE_BRUTTO": price,
                "QUANTITY": f"{1 + w.number(f'quantity:{owner}', item, 5)}.0000",
                "DISCOUNT_TYPE_ID": 2,
                "DISCOUNT_RATE": "0.00",
                "DISCOUNT_SUM": "0.00",
                "TAX_INCLUDED": "N",
                "CUSTOMIZED": "Y",
                "MEASURE_CODE": 796,
                "MEASURE_NAME": "шт",
                "SORT": 10,
            }


def objects(w: World, item: int) -> list[str]:
    """The values of a lead's field that holds several."""
    return [w.pick(f"lead:object:{n}", item, NOUNS) for n in range(1 + w.number("lead:objects", item, 3))]


def b_uts_crm_lead(w: World) -> t.Iterator[Row]:
    for item in range(FIELDS_EVERY, w.leads + 1, FIELDS_EVERY):
        yield {
            "VALUE_ID": item,
            "UF_CRM_INTEREST": w.pick("lead:interest", item, INTERESTS),
            "UF_CRM_BUDGET": 100_000 * (10 + w.number("lead:budget", item, 200)),
            "UF_CRM_VISIT": w.ago(w.number("lead:visit", item, 90 * 86400)),
            "UF_CRM_OBJECTS": serialized(objects(w, item)),
            "UF_CRM_NOTE": w.text("lead:note", item) if item % 4 == 0 else None,
        }


def b_utm_crm_lead(w: World) -> t.Iterator[Row]:
    number = 0
    for item in range(FIELDS_EVERY, w.leads + 1, FIELDS_EVERY):
        for value in objects(w, item):
            number += 1
            yield {"ID": number, "VALUE_ID": item, "FIELD_ID": OBJECTS, "VALUE": value}


def b_uts_crm_deal(w: World) -> t.Iterator[Row]:
    for item in range(FIELDS_EVERY, w.deals + 1, FIELDS_EVERY):
        yield {
            "VALUE_ID": item,
            "UF_CRM_APARTMENT": f"{1 + w.number('deal:floor', item, 25)}-{w.number('deal:flat', item, 400)}",
            "UF_CRM_MORTGAGE": w.number("deal:mortgage", item, 2),
            "UF_CRM_SIGNED": w.ago(w.number("deal:signed", item, 300 * 86400))[:10],
        }


def b_uts_crm_contact(w: World) -> t.Iterator[Row]:
    for item in range(FIELDS_EVERY, w.contacts + 1, FIELDS_EVERY):
        yield {"VALUE_ID": item, "UF_CRM_LANGUAGE": w.pick("contact:language", item, LANGUAGES)}


def b_uts_crm_company(w: World) -> t.Iterator[Row]:
    for item in range(1, companies(w) + 1):
        yield {"VALUE_ID": item, "UF_CRM_INN": f"77{w.number('company:inn', item, 10**8):08}"}


def b_user_field_enum(w: World) -> t.Iterator[Row]:
    for number, field, value, code in ENUMERATIONS:
        yield {"ID": number, "USER_FIELD_ID": field, "VALUE": value, "XML_ID": code}


def _client(w: World, deal: int) -> int | None:
    return _some(w, "deal:contact", deal, w.contacts)


def b_crm_act(w: World) -> t.Iterator[Row]:
    """Calls of the deals' clients, and some meetings, letters and tasks with them."""
    total = w.deals * ACTIVITIES_PER_DEAL
    for item in range(1, total + 1):
        when = w.ago(w.created("act", item, total))
        kind, provider, provider_type, _used = ACTIVITIES[item % len(ACTIVITIES)]
        employee = w.employee("act", item)
        yield {
            "ID": item,
            "TYPE_ID": kind,
            "PROVIDER_ID": provider,
            "PROVIDER_TYPE_ID": provider_type,
            "OWNER_ID": (item - 1) // ACTIVITIES_PER_DEAL + 1,
            "OWNER_TYPE_ID": DEAL,
            "SUBJECT": w.phrase("act", item),
            "COMPLETED": "Y" if kind == CALL[0] or w.number("act:completed", item, 3) else "N",
            "RESPONSIBLE_ID": employee,
            "DIRECTION": 1 + item % 2,
            "CREATED": when,
            "LAST_UPDATED": when,
            "ORIGIN_ID": f"VI_{w.token('act', item)}" if kind == CALL[0] else None,
            "AUTHOR_ID": employee,
            "EDITOR_ID": employee,
            "PRIORITY": 2,
            "START_TIME": when,
            "END_TIME": when,
            "DEADLINE": when,
            "DESCRIPTION": w.text("act", item) if kind != CALL[0] else None,
            "DESCRIPTION_TYPE": 1,
        }


def b_crm_act_bind(w: World) -> t.Iterator[Row]:
    number = 0
    for item in range(1, w.deals * ACTIVITIES_PER_DEAL + 1):
        deal = (item - 1) // ACTIVITIES_PER_DEAL + 1
        for owner, kind in ((deal, DEAL), (_client(w, deal), CONTACT)):
            if owner:
                number += 1
                yield {"ID": number, "ACTIVITY_ID": item, "OWNER_ID": owner, "OWNER_TYPE_ID": kind}


def b_crm_act_comm(w: World) -> t.Iterator[Row]:
    """Whom the activity was with."""
    number = 0
    for item in range(1, w.deals * ACTIVITIES_PER_DEAL + 1):
        deal = (item - 1) // ACTIVITIES_PER_DEAL + 1
        used = ACTIVITIES[item % len(ACTIVITIES)][3]
        client = _client(w, deal)
        if client:
            number += 1
            value = {"PHONE": phone(w, "CONTACT", client), "EMAIL": email("CONTACT", client)}.get(used, "")
            row: Row = {"ID": number, "ACTIVITY_ID": item, "OWNER_ID": deal, "OWNER_TYPE_ID": DEAL, "TYPE": used}
            yield {**row, "VALUE": value, "ENTITY_ID": client, "ENTITY_TYPE_ID": CONTACT}


def b_crm_timeline(w: World) -> t.Iterator[Row]:
    total = w.leads + w.deals
    for item in range(1, total + 1):
        is_lead = item <= w.leads
        yield {
            "ID": item,
            "TYPE_ID": 7,
            "CREATED": w.ago(w.created("timeline", item, total)),
            "AUTHOR_ID": w.employee("timeline", item),
            "ASSOCIATED_ENTITY_ID": item if is_lead else item - w.leads,
            "ASSOCIATED_ENTITY_TYPE_ID": LEAD if is_lead else DEAL,
            "COMMENT": w.text("timeline", item),
        }


def b_crm_automation_template(w: World) -> t.Iterator[Row]:
    yield {"ID": 1, "DOCUMENT_TYPE": "LEAD", "DOCUMENT_STATUS": "NEW", "TEMPLATE": "a:0:{}"}


def b_crm_automation_trigger_app(w: World) -> t.Iterator[Row]:
    yield {"ID": 1, "APP_ID": 2, "NAME": "Оплата получена", "CODE": "paid", "DATE_CREATE": w.ago(200 * 86400)}


ROWS = rows_of(globals())
