# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of records, and the two forms in which REST names them: crm.item.* and the older crm.lead.* and so on."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import functools
import re
import typing as t

from lab.rest.answers import Refused, Row

TYPES = {"lead": 1, "deal": 2, "contact": 3, "company": 4}
#: Kinds that only crm.item.* knows; quotes' own methods are not simulated.
NEWER = {"quote": 7, "invoice": 31}
MULTIPLE = ("PHONE", "EMAIL", "WEB", "IM", "LINK")


@dataclasses.dataclass(frozen=True)
class Field:
    """`importable` is a read-only field that import sets for an administrator; `status` the ENTITY_ID of a list."""

    name: str
    type: str = "string"
    multiple: bool = False
    read_only: bool = False
    importable: bool = False
    default: t.Any = None
    status: str = ""
    required: bool = False
    title: str = ""
    items: tuple[Row, ...] = ()

    @property
    def user_field(self) -> bool:
        return self.name.startswith("UF_")

    @property
    def camel(self) -> str:
        return camel(self.name) if self.user_field else self.name


def camel(name: str) -> str:
    """UF_CRM_2_1639669411830 as ufCrm2_1639669411830: a number that ends a name keeps its underscore."""
    *parts, last = name.lower().split("_")
    joined = parts[0] + "".join(part.capitalize() for part in parts[1:])
    return f"{joined}_{last}" if last.isdigit() else joined + last.capitalize()


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", r"_\1", name).upper()


def _fields(text: str) -> list[Field]:
    """`name:type`, with ! for read only, ? for that but importable, [] for several values, =VALUE for a default."""
    found = []
    for word in text.split():
        name, type_, marks, default = re.fullmatch(r"(\w+)(?::(\w+))?([!?\[\]*]*)(?:=(\S*))?", word).groups()  # type: ignore[union-attr]
        found.append(
            Field(
                name,
                type_ or "string",
                "[]" in marks,
                "!" in marks or "?" in marks,
                "?" in marks,
                default,
                required="*" in marks,
            )
        )
    return found


_COMMON = """id:integer! createdTime:datetime? updatedTime:datetime? createdBy:user? updatedBy:user? assignedById:user
 opened:boolean=Y lastActivityTime:datetime! lastActivityBy:user! observers:user[] webformId:integer sourceId:crm_status
 sourceDescription:text utmSource utmMedium utmCampaign utmContent utmTerm"""
_MOVED = " stageId:crm_status movedTime:datetime? movedBy:user? stageSemanticId:string!"
_MONEY = " currencyId:crm_currency=RUB opportunity:double isManualOpportunity:boolean=N taxValue:double"
_ORIGIN = " originatorId originId"
_PERSON = """ honorific:crm_status name secondName lastName birthdate:date post hasPhone:boolean!=N hasEmail:boolean!=N
 hasImol:boolean!=N fm:crm_multifield[]"""
_TEXTS: dict[str, str] = {
    "lead": "title comments:text companyId:crm_company contactId:crm_contact contactIds:crm_contact[] companyTitle"
    " statusDescription:text isReturnCustomer:boolean!=N" + _MOVED + _MONEY + _ORIGIN + _PERSON,
    "deal": "title comments:text companyId:crm_company contactId:crm_contact contactIds:crm_contact[] quoteId:crm_quote"
    " categoryId:crm_category=0 typeId:crm_status=SALE probability:integer begindate:date closedate:date"
    " closed:boolean!=N isNew:boolean!=N isRecurring:boolean=N isReturnCustomer:boolean=N"
    " isRepeatedApproach:boolean=N leadId:crm_lead additionalInfo:text locationId:location"
    " previousStageId:crm_status!" + _MOVED + _MONEY + _ORIGIN,
    "contact": "comments:text companyId:crm_company companyIds:crm_company[] typeId:crm_status=CLIENT photo:file"
    " export:boolean=Y leadId:crm_lead categoryId:crm_category=0 originVersion" + _ORIGIN + _PERSON,
    "company": "title comments:text typeId:crm_status=CUSTOMER logo:file industry:crm_status employees:crm_status"
    " revenue:double currencyId:crm_currency=RUB bankingDetails:text isMyCompany:boolean=N leadId:crm_lead"
    " contactIds:crm_contact[] categoryId:crm_category=0 hasPhone:boolean!=N hasEmail:boolean!=N hasImol:boolean!=N"
    " fm:crm_multifield[] originVersion" + _ORIGIN,
    "smart": "title xmlId begindate:date closedate:date companyId:crm_company contactId:crm_contact"
    " contactIds:crm_contact[] categoryId:crm_category mycompanyId:crm_company previousStageId:crm_status!"
    " parentId1:crm_lead parentId2:crm_deal"
    + _MOVED + _MONEY + _ORIGIN,
}  # fmt: skip
_TEXTS |= {"quote": _TEXTS["smart"] + " content:text terms:text", "invoice": _TEXTS["smart"] + " accountNumber"}
#: Which list of crm.status.list a field's values are of; stages depend on category.
_STATUS = {"sourceId": "SOURCE", "honorific": "HONORIFIC", "industry": "INDUSTRY", "employees": "EMPLOYEES"}
_TYPE_STATUS = {"deal": "DEAL_TYPE", "contact": "CONTACT_TYPE", "company": "COMPANY_TYPE"}


@functools.cache
def own_fields(family: str) -> dict[str, Field]:
    """The portal's own fields of lead, deal, contact, company, or smart; by their names in crm.item.*."""
    found = _fields(_COMMON + " " + _TEXTS[family])
    lists = {**_STATUS, "typeId": _TYPE_STATUS.get(family, ""), "stageId": "STATUS" if family == "lead" else "STAGE"}
    return {each.name: dataclasses.replace(each, status=lists.get(each.name, "")) for each in found}


#: The older names where they are not the same in capitals.
_LEGACY: dict[str, dict[str, str]] = {
    "": {
        "createdTime": "DATE_CREATE",
        "updatedTime": "DATE_MODIFY",
        "createdBy": "CREATED_BY_ID",
        "updatedBy": "MODIFY_BY_ID",
        "movedBy": "MOVED_BY_ID",
    },
    "lead": {"stageId": "STATUS_ID", "stageSemanticId": "STATUS_SEMANTIC_ID"},
    "company": {"typeId": "COMPANY_TYPE"},
}


@functools.cache
def legacy_names(family: str) -> dict[str, str]:
    """Name in crm.item.* → name in crm.lead.* and so on; multi-fields are named by their types there."""
    changed = {**_LEGACY[""], **_LEGACY.get(family, {})}
    return {name: changed.get(name, snake(name)) for name in own_fields(family) if name != "fm"}


def is_item(kind: str) -> bool:
    return kind in TYPES or kind in NEWER or kind.startswith("smart:")


def family_of(kind: str) -> str:
    return kind.partition(":")[0]


class Zone:
    """A portal's time zone: dates are kept and shown in it."""

    def __init__(self, offset: str) -> None:
        sign, hours, minutes = re.fullmatch(r"([+-])(\d\d):(\d\d)", offset).groups()  # type: ignore[union-attr]
        delta = datetime.timedelta(hours=int(hours), minutes=int(minutes))
        self.zone = datetime.timezone(delta if sign == "+" else -delta)

    def moment(self, seconds: float) -> str:
        return datetime.datetime.fromtimestamp(seconds, self.zone).isoformat(timespec="seconds")

    @staticmethod
    def seconds(kept: str) -> float:
        """Unix time of a date as rows have it."""
        return datetime.datetime.fromisoformat(kept).timestamp()

    def read(self, given: object) -> str:
        """Any date that PHP would read, in this zone; without a zone it is of this one. Raises ValueError."""
        text = re.sub(r"Z$", "+00:00", str(given).strip())
        found = re.fullmatch(r"(\d\d)\.(\d\d)\.(\d{4})(.*)", text)
        if found:
            text = f"{found[3]}-{found[2]}-{found[1]}{found[4]}"
        text = re.sub(r"\.\d+(?=[+-]|$)", "", text)
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone)
        return moment.astimezone(self.zone).isoformat(timespec="seconds")

    def day(self, given: object) -> str:
        """The date alone counts: midnight in this zone."""
        return self.read(str(given).strip()[:10])


NUMBERS = (
    "integer", "user", "crm_company", "crm_contact", "crm_lead", "crm_quote", "crm_category", "location", "enumeration",
    "employee", "iblock_element", "iblock_section", "crm_deal", "crm_entity",
)  # fmt: skip


def as_number(given: object) -> int | None:
    """PHP's idea of a number: what does not begin with one is none."""
    found = re.match(r"\s*[+-]?\d+", str(given))
    return int(found[0]) if found and not isinstance(given, bool) else int(given) if isinstance(given, bool) else None


def as_flag(given: object) -> str:
    return "Y" if str(given).lower() in ("y", "1", "true") else "N"


def convert(type_: str, given: t.Any, zone: Zone) -> t.Any:
    """One value as rows keep it; None for an empty one. Raises ValueError."""
    if given is None or given == "" or (isinstance(given, (list, dict)) and not given):
        return "N" if type_ == "boolean" else None
    if isinstance(given, (list, dict)):
        raise ValueError("not a single value")
    if type_ == "boolean":
        return as_flag(given)
    if type_ in ("datetime", "date"):
        return zone.read(given) if type_ == "datetime" else zone.day(given)
    if type_ in NUMBERS:
        return as_number(given)
    if type_ == "double":
        number = float(str(given).replace(",", "."))
        return int(number) if number.is_integer() else number
    return str(given)


def file_content(given: t.Any) -> tuple[str, bytes] | None:
    """What a written file is: [name, base64], or {"fileData": [name, base64]}; None for anything else."""
    if isinstance(given, dict):
        given = given.get("fileData", given)
    if isinstance(given, dict):
        given = list(given.values())
    if isinstance(given, list) and len(given) == 2 and isinstance(given[1], str) and isinstance(given[0], str):
        try:
            return given[0], base64.b64decode(given[1], validate=True)
        except binascii.Error:
            raise Refused("The file's content is not base64", "INVALID_ARG_VALUE") from None
    return None
