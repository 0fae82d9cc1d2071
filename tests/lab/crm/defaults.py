# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new portal has: an administrator, lists of statuses and stages, a general pipeline of deals."""

from __future__ import annotations

from lab.crm.store import Storage
from lab.rest.answers import Row

#: ENTITY_ID → STATUS_ID, name, meaning (P for under way, S for success, F for failure; empty where it is no stage).
LISTS: dict[str, list[tuple[str, str, str]]] = {
    "STATUS": [
        ("NEW", "Unassigned", "P"), ("IN_PROCESS", "Assigned", "P"), ("PROCESSED", "Processed", "P"),
        ("CONVERTED", "Good lead", "S"), ("JUNK", "Junk lead", "F"),
    ],
    "DEAL_STAGE": [
        ("NEW", "New", "P"), ("PREPARATION", "Papers", "P"), ("PREPAYMENT_INVOICE", "Invoice", "P"),
        ("EXECUTING", "In progress", "P"), ("FINAL_INVOICE", "Final invoice", "P"), ("WON", "Deal won", "S"),
        ("LOSE", "Deal lost", "F"), ("APOLOGY", "Analyse failure", "F"),
    ],
    "SOURCE": [("CALL", "Call", ""), ("EMAIL", "E-mail", ""), ("WEB", "Website", ""), ("ADVERTISING", "Ads", "")],
    "CONTACT_TYPE": [("CLIENT", "Clients", ""), ("SUPPLIER", "Suppliers", ""), ("PARTNER", "Partners", "")],
    "COMPANY_TYPE": [("CUSTOMER", "Client", ""), ("SUPPLIER", "Supplier", ""), ("PARTNER", "Partner", "")],
    "DEAL_TYPE": [("SALE", "Sale", ""), ("COMPLEX", "Complex sale", ""), ("SERVICE", "Service", "")],
    "INDUSTRY": [("IT", "Information technology", ""), ("OTHER", "Other", "")],
    "EMPLOYEES": [("EMPLOYEES_1", "less than 50", ""), ("EMPLOYEES_2", "50 to 250", "")],
    "HONORIFIC": [("HNR_EN_1", "Mr.", ""), ("HNR_EN_2", "Mrs.", "")],
    "EVENT_TYPE": [("INFO", "Information", ""), ("PHONE", "Phone call", "")],
}  # fmt: skip

GENERAL = "General"
#: What a smart process is asked for at its making, and what it is else.
TYPE_FLAGS = (
    "isCategoriesEnabled", "isStagesEnabled", "isBeginCloseDatesEnabled", "isClientEnabled",
    "isLinkWithProductsEnabled", "isMycompanyEnabled", "isDocumentsEnabled", "isSourceEnabled", "isObserversEnabled",
    "isRecyclebinEnabled",
    "isAutomationEnabled", "isBizProcEnabled",
)  # fmt: skip
ACTIVITY: Row = {
    "ASSOCIATED_ENTITY_ID": 0, "COMPLETED": "N", "PRIORITY": 2, "NOTIFY_TYPE": 0, "NOTIFY_VALUE": 0, "DESCRIPTION": "",
    "DESCRIPTION_TYPE": 1, "DIRECTION": 0, "LOCATION": "", "RESULT_MARK": 0, "RESULT_STATUS": 0, "RESULT_STREAM": 0,
    "AUTOCOMPLETE_RULE": 0, "IS_INCOMING_CHANNEL": "N",
}  # fmt: skip
#: What a caller may set of a product row, and what it is without him.
PRODUCT_ROW: Row = {
    "productId": 0, "productName": "", "price": 0, "quantity": 1, "discountTypeId": 2, "discountRate": 0,
    "discountSum": 0, "taxRate": None, "taxIncluded": "N", "taxName": None, "measureCode": 796, "sort": 0,
}  # fmt: skip
#: Kind → fields that are the time of its making, and what the others are where nobody gives them.
PARTS: dict[str, tuple[tuple[str, ...], Row]] = {
    "activity": (
        ("CREATED", "LAST_UPDATED", "START_TIME", "END_TIME", "DEADLINE"),
        {**ACTIVITY, "SUBJECT": "Call", "TYPE_ID": 2, "PROVIDER_ID": "VOXIMPLANT_CALL", "PROVIDER_TYPE_ID": "CALL",
         "DIRECTION": 1, "COMPLETED": "Y", "STATUS": 2, "RESPONSIBLE_ID": 1, "AUTHOR_ID": 1, "EDITOR_ID": 1},
    ),
    "comment": (("CREATED",), {"AUTHOR_ID": 1, "COMMENT": "A comment"}),
    "productrow": ((), {**PRODUCT_ROW, "productName": "Product", "price": 100}),
    "stagehistory": (("CREATED_TIME",), {"TYPE_ID": 1}),
    "product": (("DATE_CREATE", "TIMESTAMP_X"), {"NAME": "Product", "ACTIVE": "Y", "PRICE": 100, "CURRENCY_ID": "RUB"}),
    "call": (
        ("CALL_START_DATE",),
        {"PORTAL_USER_ID": 1, "PORTAL_NUMBER": "1", "PHONE_NUMBER": "+79000000000", "CALL_DURATION": 60, "CALL_TYPE": 2,
         "CALL_FAILED_CODE": "200", "CALL_FAILED_REASON": "Success call", "CALL_CATEGORY": "external"},
    ),
}  # fmt: skip


def fill_in(store: Storage) -> None:
    """Put what is missing into an empty store; a store with statuses stays as it is."""
    with store.transaction():
        if store.count("status"):
            return
        for entity, values in LISTS.items():
            for position, (status, name, meaning) in enumerate(values, 1):
                store.insert("status", status_row(entity, status, name, 10 * position, meaning, system=True))
        row = {"ID": 1, "ACTIVE": True, "NAME": "Admin", "LAST_NAME": "Admin", "EMAIL": "admin@boxlift.test"}
        if not store.count("user"):
            store.insert("user", {**row, "USER_TYPE": "employee", "IS_ADMIN": True})


def status_row(
    entity: str, status: str, name: str, sort: int, meaning: str = "", *, category: int = 0, system: bool = False
) -> Row:
    row = {"ENTITY_ID": entity, "STATUS_ID": status, "NAME": name, "NAME_INIT": name if system else "", "SORT": sort}
    row |= {"SYSTEM": "Y" if system else "N", "CATEGORY_ID": category, "SEMANTICS": meaning if meaning != "P" else ""}
    return {**row, "COLOR": "#39A8EF" if meaning else "", "STAGE": "Y" if meaning else "N"}


def stage_rows(entity: str, prefix: str, category: int) -> list[Row]:
    """The stages that a new pipeline begins with."""
    return [
        status_row(entity, prefix + status, name, 10 * position, meaning, category=category, system=status != "APOLOGY")
        for position, (status, name, meaning) in enumerate(LISTS["DEAL_STAGE"], 1)
    ]
