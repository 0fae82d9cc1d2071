# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leads, deals, contacts and what happened with them."""

from __future__ import annotations

import typing as t

from lab.dump_writer import Row, Value

from .world import FIRST_NAMES, LAST_NAMES, SOURCES, World, rows_of

LEAD, DEAL, CONTACT = 1, 2, 3
LEAD_STAGES = (("NEW", "P"), ("IN_PROCESS", "P"), ("PROCESSED", "P"), ("CONVERTED", "S"), ("JUNK", "F"))
DEAL_STAGES = (("NEW", "P"), ("PREPARATION", "P"), ("EXECUTING", "P"), ("WON", "S"), ("LOSE", "F"))
ACTIVITIES_PER_DEAL = 2


def companies(w: World) -> int:
    return w.contacts // 20


def _some(w: World, label: str, item: int, total: int) -> int | None:
    """An id of another table for two of three records."""
    return 1 + w.number(label, item, total) if total and w.number(f"{label}:linked", item, 3) else None


def _record(w: World, kind: str, item: int, total: int) -> Row:
    """The columns that leads, deals and contacts share."""
    age = w.created(kind, item, total)
    return {
        "ID": item,
        "COMMENTS": w.text(f"{kind}:comments", item),
        "ASSIGNED_BY_ID": w.employee(f"{kind}:assigned", item),
        "CREATED_BY_ID": w.employee(f"{kind}:author", item),
        "DATE_CREATE": w.ago(age),
        "DATE_MODIFY": w.ago(w.number(f"{kind}:modified", item, age)),
    }


def _person(w: World, kind: str, item: int) -> tuple[str, str]:
    return w.pick(f"{kind}:first", item, FIRST_NAMES), w.pick(f"{kind}:last", item, LAST_NAMES)


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
            "CONTACT_ID": _some(w, "lead:contact", item, w.contacts),
            "DATE_CLOSED": None if semantic == "P" else record["DATE_MODIFY"],
        }


def b_crm_deal(w: World) -> t.Iterator[Row]:
    for item in range(1, w.deals + 1):
        stage, semantic = w.pick("deal:stage", item, DEAL_STAGES)
        record = _record(w, "deal", item, w.deals)
        yield {
            **record,
            "TITLE": w.phrase("deal", item),
            "STAGE_ID": stage,
            "STAGE_SEMANTIC_ID": semantic,
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
        }


def b_crm_company(w: World) -> t.Iterator[Row]:
    for item in range(1, companies(w) + 1):
        record = _record(w, "company", item, companies(w))
        del record["COMMENTS"]
        yield {**record, "TITLE": f"ООО «Партнёр {item}»", "COMPANY_TYPE": "CUSTOMER"}


def b_crm_field_multi(w: World) -> t.Iterator[Row]:
    """A phone for every lead and contact: what callers are recognised by."""
    number = 0
    for entity, total in (("LEAD", w.leads), ("CONTACT", w.contacts)):
        for item in range(1, total + 1):
            number += 1
            value: Value = f"+7495{w.number(f'{entity}:phone', item, 10_000_000):07}"
            row: Row = {"ID": number, "ENTITY_ID": entity, "ELEMENT_ID": item, "VALUE": value}
            yield {**row, "TYPE_ID": "PHONE", "VALUE_TYPE": "WORK", "COMPLEX_ID": "PHONE_WORK"}


def b_crm_status(w: World) -> t.Iterator[Row]:
    number = 0
    for entity, stages in (("STATUS", LEAD_STAGES), ("DEAL_STAGE", DEAL_STAGES)):
        for sort, (stage, _title) in enumerate(stages, 1):
            number += 1
            yield {"ID": number, "ENTITY_ID": entity, "STATUS_ID": stage, "NAME": stage.title(), "SORT": sort * 10}


def b_crm_act(w: World) -> t.Iterator[Row]:
    """Calls of the deals' clients."""
    total = w.deals * ACTIVITIES_PER_DEAL
    for item in range(1, total + 1):
        when = w.ago(w.created("act", item, total))
        yield {
            "ID": item,
            "TYPE_ID": 2,
            "PROVIDER_ID": "VOXIMPLANT_CALL",
            "OWNER_ID": (item - 1) // ACTIVITIES_PER_DEAL + 1,
            "OWNER_TYPE_ID": DEAL,
            "SUBJECT": w.phrase("act", item),
            "COMPLETED": "Y",
            "RESPONSIBLE_ID": w.employee("act", item),
            "DIRECTION": 1 + item % 2,
            "CREATED": when,
            "LAST_UPDATED": when,
            "ORIGIN_ID": f"VI_{w.token('act', item)}",
        }


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
