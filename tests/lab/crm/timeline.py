# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to a record: activities, comments, product rows, the history of its stages."""

from __future__ import annotations

import typing as t

from lab.crm import defaults
from lab.crm.encoding import RowCache
from lab.crm.fields import TYPES, Field, as_flag, as_number, convert, file_content
from lab.crm.filters import items
from lab.crm.portal import Crm
from lab.crm.store import All, Condition
from lab.crm.tables import Method, Table, columns, given, given_fields, required, text_of, the_number
from lab.rest.answers import Answer, Asked, Refused, Row

ACTIVITY = columns(
    "ID:integer OWNER_ID:integer OWNER_TYPE_ID:integer TYPE_ID:integer PROVIDER_ID PROVIDER_TYPE_ID PROVIDER_GROUP_ID"
    " ASSOCIATED_ENTITY_ID:integer SUBJECT CREATED:datetime LAST_UPDATED:datetime START_TIME:datetime END_TIME:datetime"
    " DEADLINE:datetime COMPLETED:boolean STATUS:integer RESPONSIBLE_ID:integer PRIORITY:integer NOTIFY_TYPE:integer"
    " NOTIFY_VALUE:integer DESCRIPTION DESCRIPTION_TYPE:integer DIRECTION:integer LOCATION ORIGINATOR_ID ORIGIN_ID"
    " ORIGIN_VERSION AUTHOR_ID:integer EDITOR_ID:integer PROVIDER_DATA RESULT_MARK:integer RESULT_VALUE RESULT_SUM"
    " RESULT_CURRENCY_ID RESULT_STATUS:integer RESULT_STREAM:integer RESULT_SOURCE_ID AUTOCOMPLETE_RULE:integer"
    " IS_INCOMING_CHANNEL:boolean"
)
#: Fields of an activity that only the portal sets.
OF_THE_PORTAL = ("ID", "CREATED", "LAST_UPDATED", "AUTHOR_ID", "EDITOR_ID", "DEADLINE")
MEETING, CALL, TASK, MAIL, OF_PROVIDER = 1, 2, 3, 4, 6
PROVIDERS = {
    MEETING: ("CRM_MEETING", "MEETING"),
    CALL: ("VOXIMPLANT_CALL", "CALL"),
    TASK: ("TASKS", "TASK"),
    MAIL: ("CRM_EMAIL", "EMAIL"),
}
OUTGOING = 2
COMMENT = columns("ID:integer ENTITY_ID:integer ENTITY_TYPE CREATED:datetime AUTHOR_ID:integer COMMENT")
STAGE_HISTORY = columns(
    "ID:integer TYPE_ID:integer OWNER_ID:integer CREATED_TIME:datetime CATEGORY_ID:integer STAGE_SEMANTIC_ID STAGE_ID"
)

CALLS = columns(
    "ID:integer PORTAL_USER_ID:integer PORTAL_NUMBER PHONE_NUMBER CALL_ID EXTERNAL_CALL_ID CALL_CATEGORY"
    " CALL_DURATION:integer CALL_START_DATE:datetime CALL_RECORD_URL CALL_VOTE COST COST_CURRENCY CALL_FAILED_CODE"
    " CALL_FAILED_REASON CRM_ENTITY_TYPE CRM_ENTITY_ID:integer CRM_ACTIVITY_ID:integer REST_APP_ID REST_APP_NAME"
    " REDIAL_ATTEMPT SESSION_ID TRANSCRIPT_ID TRANSCRIPT_PENDING RECORD_FILE_ID:integer CALL_TYPE:integer COMMENT"
)


class Timeline:
    """The methods of all four."""

    def __init__(self, crm: Crm, cache: RowCache) -> None:
        self.crm = crm
        self.activities = Table(crm, cache, "activity", ACTIVITY)
        self.comments = Table(crm, cache, "comment", COMMENT)
        self.calls = Table(crm, cache, "call", CALLS)
        self.stage_history = Table(crm, cache, "stagehistory", STAGE_HISTORY)

    def methods(self) -> dict[str, Method]:
        found: dict[str, Method] = {
            "crm.activity.list": self.activity_list,
            "crm.activity.get": self.activity_get,
            "crm.activity.add": self.activity_add,
            "crm.activity.update": self.activity_update,
            "crm.activity.delete": self.activity_delete,
            "crm.activity.fields": lambda asked: Answer(described(ACTIVITY, OF_THE_PORTAL)),
            "crm.activity.binding.list": self.binding_list,
            "crm.activity.binding.add": self.binding_add,
            "crm.timeline.comment.list": self.comment_list,
            "crm.timeline.comment.get": self.comment_get,
            "crm.timeline.comment.add": self.comment_add,
            "crm.timeline.comment.update": self.comment_update,
            "crm.timeline.comment.delete": self.comment_delete,
            "crm.item.productrow.list": self.product_list,
            "crm.item.productrow.set": self.product_set,
            "crm.stagehistory.list": self.stage_list,
            "voximplant.statistic.get": self.call_list,
        }
        for kind in ("lead", "deal"):
            found[f"crm.{kind}.productrows.get"] = lambda asked, kind=kind: self.rows_get(kind, asked)  # type: ignore[misc] # a default is no annotation
            found[f"crm.{kind}.productrows.set"] = lambda asked, kind=kind: self.rows_set(kind, asked)  # type: ignore[misc] # the same
        return found

    def kind_of(self, type_id: t.Any) -> str | None:
        try:
            return self.crm.kind_of(type_id)
        except Refused:
            return None

    # -- activities ----------------------------------------------------------------------------------------------------

    def _shown_activity(self, row: Row, communications: bool, base_url: str) -> Row:
        shown = {name: text_of(row.get(name)) for name in ACTIVITY}
        shown |= {"SETTINGS": row.get("SETTINGS") or [], "PROVIDER_PARAMS": row.get("PROVIDER_PARAMS") or []}
        if communications:
            shown["COMMUNICATIONS"] = row.get("COMMUNICATIONS") or []
        if row.get("FILES"):
            files = [{"id": each, "url": f"{base_url}/_files/{each}"} for each in row["FILES"]]
            shown["FILES"] = files
        return shown

    def activity_list(self, asked: Asked) -> Answer:
        """COMMUNICATIONS come only where they are named."""
        select = [str(each) for _key, each in items(given(asked).get("select"))]
        with_them = "COMMUNICATIONS" in select
        return self.activities.list(asked, All(()), lambda row: self._shown_activity(row, with_them, asked.base_url))

    def activity_get(self, asked: Asked) -> Answer:
        row = self.activities.one(the_number(asked), "Activity is not found.")
        return Answer(self._shown_activity(row, False, asked.base_url))

    def _read(self, fields: Row) -> Row:
        """Given fields of an activity as rows have them; unknown ones are ignored."""
        row: Row = {}
        for name, value in fields.items():
            if name in ACTIVITY and name not in OF_THE_PORTAL:
                try:
                    row[name] = convert(ACTIVITY[name].type, value, self.crm.zone)
                except ValueError:
                    raise Refused(f"The field {name} is not defined or invalid.", "", 400) from None
        for name in ("SETTINGS", "PROVIDER_PARAMS"):
            if name in fields:
                row[name] = fields[name] or []
        if "FILES" in fields:
            contents = [file_content(each) for _key, each in items(fields["FILES"])]
            row["FILES"] = [self.crm.store.put_file(*content) for content in contents if content is not None]
        if "COMMUNICATIONS" in fields:
            row["COMMUNICATIONS"] = [self._communication(dict(each)) for _key, each in items(fields["COMMUNICATIONS"])]
        return row

    def _communication(self, each: Row) -> Row:
        number = self.crm.store.next_id("communication")
        type_ = str(each.get("TYPE") or ("EMAIL" if "@" in str(each.get("VALUE")) else "PHONE"))
        owner = {name: str(as_number(each.get(name, 0)) or 0) for name in ("ENTITY_ID", "ENTITY_TYPE_ID")}
        return {"ID": str(number), "TYPE": type_, "VALUE": str(each.get("VALUE") or ""), **owner}

    def activity_add(self, asked: Asked) -> Answer:
        fields = given_fields(asked)
        row = {**defaults.ACTIVITY, **self._read(fields)}
        for name in ("SUBJECT", "RESPONSIBLE_ID", "TYPE_ID"):
            if not row.get(name):
                raise Refused(f"The field {name} is not defined or invalid.", "", 400)
        type_ = row["TYPE_ID"]
        if not row.get("COMMUNICATIONS") and type_ != OF_PROVIDER:
            raise Refused("The field COMMUNICATIONS is not defined or invalid.", "", 400)
        if type_ in (CALL, MEETING) and len(row["COMMUNICATIONS"]) > 1:
            raise Refused("The only one communication is allowed for activity of specified type.", "", 400)
        self._provider(row, asked)
        bindings = self._bindings(row)
        if not bindings:
            text = "Could not build binding. Please ensure that owner info and communications are defined correctly."
            raise Refused(text, "", 400)
        now, user = self.crm.now(), asked.credential.user
        row |= {"OWNER_TYPE_ID": bindings[0][0], "OWNER_ID": bindings[0][1], "BINDINGS": bindings}
        row |= {"CREATED": now, "LAST_UPDATED": now, "AUTHOR_ID": user, "EDITOR_ID": user}
        row |= {name: row.get(name) or now for name in ("START_TIME", "END_TIME")}
        self._finish(row)
        with self.crm.store.lock:
            number = self.activities.put(_filled(row))
            if type_ == MAIL and row["DIRECTION"] == OUTGOING and row["COMPLETED"] == "Y":
                self.crm.mail["sent"] += 1
                settings = dict(items(row.get("SETTINGS") or {}))
                self.crm.mail["copies"] += settings.get("DISABLE_SENDING_MESSAGE_COPY") != "Y"
            for owner_type, owner in bindings:
                kind = self.kind_of(owner_type)
                if kind is not None:
                    self.crm.touch(kind, owner, lastActivityTime=now, lastActivityBy=user)
            self.crm.emit("activity", "ADD", number)
        return Answer(number)

    @staticmethod
    def _provider(row: Row, asked: Asked) -> None:
        provider = str(row.get("PROVIDER_ID") or "")
        if row["TYPE_ID"] == OF_PROVIDER and not provider:
            raise Refused("The custom activity without provider is not supported in current context.", "", 400)
        if provider == "CONFIGURABLE_REST_APP":
            raise Refused("Use crm.activity.configurable.add for this activity provider", "", 400)
        if provider == "REST_APP" and not asked.credential.app:
            raise Refused("Application context required", "", 400)
        default = PROVIDERS.get(row["TYPE_ID"], (provider, ""))
        row["PROVIDER_ID"] = provider or default[0]
        row["PROVIDER_TYPE_ID"] = row.get("PROVIDER_TYPE_ID") or default[1]

    @staticmethod
    def _finish(row: Row) -> None:
        """What follows from other fields."""
        row["DEADLINE"] = row["END_TIME"] if row["TYPE_ID"] == TASK else row["START_TIME"]
        row["STATUS"] = 2 if row["COMPLETED"] == "Y" else 1

    def _bindings(self, row: Row) -> list[list[int]]:
        """Which records the activity belongs to: its owner and whom it was with."""
        pairs = [(row.get("OWNER_TYPE_ID"), row.get("OWNER_ID"))]
        pairs += [(each["ENTITY_TYPE_ID"], each["ENTITY_ID"]) for each in row.get("COMMUNICATIONS") or ()]
        found: list[list[int]] = []
        for type_id, number in pairs:
            kind = self.kind_of(type_id)
            pair = [int(type_id or 0), int(number or 0)]
            if kind is not None and pair not in found and self.crm.get(kind, pair[1]) is not None:
                found.append(pair)
        return found

    def activity_update(self, asked: Asked) -> Answer:
        with self.crm.store.lock:
            number = the_number(asked)
            row = self.activities.one(number, "Activity is not found.")
            changes = self._read(given_fields(asked))
            row |= changes
            if {"OWNER_ID", "OWNER_TYPE_ID", "COMMUNICATIONS"} & changes.keys():
                row["BINDINGS"] = self._bindings(row) or row["BINDINGS"]
            row |= {"LAST_UPDATED": self.crm.now(), "EDITOR_ID": asked.credential.user}
            row |= {name: row.get(name) or row["CREATED"] for name in ("START_TIME", "END_TIME")}
            self._finish(row)
            self.activities.replace(number, _filled(row))
            self.crm.emit("activity", "UPDATE", number)
        return Answer(True)

    def activity_delete(self, asked: Asked) -> Answer:
        number = the_number(asked)
        if not self.activities.remove(number):
            raise Refused("Activity is not found.", "", 400)
        self.crm.emit("activity", "DELETE", number)
        return Answer(True)

    def binding_add(self, asked: Asked) -> Answer:
        with self.crm.store.lock:
            row = self.activities.one(the_number(asked, "activityId"), "Element not found")
            pair = [the_number(asked, "entityTypeId"), the_number(asked, "entityId")]
            kind = self.kind_of(pair[0])
            if kind is None or self.crm.get(kind, pair[1]) is None:
                raise Refused("Owner of the element not found", "OWNER_NOT_FOUND", 400)
            pairs = row.get("BINDINGS") or [[row["OWNER_TYPE_ID"], row["OWNER_ID"]]]
            if pair in pairs:
                raise Refused("The activity is already linked to this entity", "ACTIVITY_IS_ALREADY_BOUND", 400)
            self.activities.replace(row["ID"], {**row, "BINDINGS": [*pairs, pair]})
        return Answer(True)

    def binding_list(self, asked: Asked) -> Answer:
        row = self.activities.one(the_number(asked, "activityId"), "Activity is not found.")
        pairs = row.get("BINDINGS") or [[row["OWNER_TYPE_ID"], row["OWNER_ID"]]]
        return Answer([{"entityTypeId": type_id, "entityId": number} for type_id, number in pairs])

    # -- comments ------------------------------------------------------------------------------------------------------

    def _comment_kind(self, entity_type: str) -> str:
        """The kind of a comment's ENTITY_TYPE. Raises Refused."""
        name = entity_type.lower()
        if name in TYPES or name == "quote":
            return name
        kind = self.kind_of(name.removeprefix("dynamic_")) if name.startswith("dynamic_") else None
        if kind is None:
            raise Refused("Entity type is not supported", "ERROR_CORE", 400)
        return kind

    def _shown_comment(self, row: Row, base_url: str) -> Row:
        shown = {name: text_of(row.get(name)) for name in COMMENT}
        if row.get("FILES"):
            shown["FILES"] = {}
            for each in row["FILES"]:
                name = (self.crm.store.file(each) or ("",))[0]
                shown["FILES"][str(each)] = {"id": each, "name": name, "urlDownload": f"{base_url}/_files/{each}"}
        return shown

    def comment_list(self, asked: Asked) -> Answer:
        """Of one record: its type and its number have to be named."""
        filters = {key.lstrip("="): value for key, value in items(given(asked).get("filter"))}
        if not filters.get("ENTITY_ID") or not filters.get("ENTITY_TYPE"):
            raise Refused("Filter must have ENTITY_ID and ENTITY_TYPE", "ERROR_CORE", 400)
        kind = self._comment_kind(str(filters["ENTITY_TYPE"]))
        base = Condition("ENTITY_TYPE", "=", self.crm.comment_type(kind))
        rest = {key: value for key, value in items(given(asked)["filter"]) if key.lstrip("=") != "ENTITY_TYPE"}
        plain = Asked(asked.credential, {**given(asked), "filter": rest}, asked.fault, asked.base_url)
        return self.comments.list(plain, base, lambda row: self._shown_comment(row, asked.base_url))

    def comment_get(self, asked: Asked) -> Answer:
        return Answer(self._shown_comment(self.comments.one(the_number(asked)), asked.base_url))

    def comment_add(self, asked: Asked) -> Answer:
        """The author is who asks, and the time is now, whatever is given."""
        fields = given_fields(asked)
        kind, owner = self._comment_kind(str(fields.get("ENTITY_TYPE", ""))), as_number(fields.get("ENTITY_ID", ""))
        if owner is None or self.crm.get(kind, owner) is None:
            raise Refused("Entity not found", "OWNER_NOT_FOUND", 400)
        if not fields.get("COMMENT"):
            raise Refused("Empty comment message", "ERROR_CORE", 400)
        row: Row = {"ENTITY_ID": owner, "ENTITY_TYPE": self.crm.comment_type(kind), "COMMENT": str(fields["COMMENT"])}
        row |= {"CREATED": self.crm.now(), "AUTHOR_ID": asked.credential.user}
        contents = [file_content(each) for _key, each in items(fields.get("FILES"))]
        row["FILES"] = [self.crm.store.put_file(*content) for content in contents if content is not None]
        number = self.comments.put(row)
        self.crm.emit("comment", "ADD", number)
        return Answer(number)

    def comment_update(self, asked: Asked) -> Answer:
        number = the_number(asked)
        with self.crm.store.lock:
            row = self.comments.one(number)
            row["COMMENT"] = str(given_fields(asked).get("COMMENT") or row["COMMENT"])
            self.comments.replace(number, row)
            self.crm.emit("comment", "UPDATE", number)
        return Answer(True)

    def comment_delete(self, asked: Asked) -> Answer:
        number = the_number(asked)
        self.comments.one(number)
        self.comments.remove(number)
        self.crm.emit("comment", "DELETE", number)
        return Answer(True)

    # -- product rows --------------------------------------------------------------------------------------------------

    def _owner_kind(self, owner_type: str) -> str:
        short = {"L": "lead", "D": "deal", "Q": "quote", "SI": "invoice"}
        if owner_type in short:
            return short[owner_type]
        try:
            kind = self.kind_of(int(owner_type[1:], 16)) if owner_type.startswith("T") else None
        except ValueError:
            kind = None
        if kind is None:
            raise Refused(f"Owner type {owner_type} is not supported", "INVALID_ARG_VALUE", 400)
        return kind

    def product_list(self, asked: Asked) -> Answer:
        """Of one record; filters other than by id and productId are ignored silently."""
        filters = dict(items(asked.parameters.get("filter")))
        if not filters.get("=ownerType") or not filters.get("=ownerId"):
            raise Refused("Required fields: =ownerType, =ownerId", "REQUIRED_ARG_MISSING", 400)
        kind = self._owner_kind(str(filters["=ownerType"]))
        rows = self._rows_of(kind, as_number(filters["=ownerId"]) or 0)
        wanted = filters.get("@id")
        if isinstance(wanted, (list, dict)):
            numbers = {as_number(each) for _key, each in items(wanted)}
            rows = [row for row in rows if row["id"] in numbers]
        start = as_number(asked.parameters.get("start", 0)) or 0
        page = rows[max(start, 0) : max(start, 0) + 50]
        following = start + 50 if start >= 0 and start + 50 < len(rows) else None
        return Answer({"productRows": list(map(shown_product, page))}, None if start < 0 else len(rows), following)

    def _rows_of(self, kind: str, owner: int) -> list[Row]:
        mine = [Condition("ownerId", "=", owner), Condition("ownerType", "=", self.crm.product_owner(kind))]
        found = self.crm.store.load("productrow", self.crm.store.find("productrow", All(mine)))
        return sorted(found.values(), key=lambda row: (row["sort"], row["id"]))

    def product_set(self, asked: Asked) -> Answer:
        kind, owner = self._owner_kind(str(required(asked, "ownerType"))), the_number(asked, "ownerId")
        rows = [dict(each) for _key, each in items(asked.parameters.get("productRows"))]
        self.set_rows(kind, owner, rows, asked.credential.user)
        return Answer({"productRows": list(map(shown_product, self._rows_of(kind, owner)))})

    def set_rows(self, kind: str, owner: int, given_rows: list[Row], user: int) -> None:
        """All product rows of a record; its sum is theirs, unless it is set by hand."""
        crm = self.crm
        with crm.store.lock, crm.store.transaction():
            item = crm.get(kind, owner)
            if item is None:
                raise Refused("Owner not found", "OWNER_NOT_FOUND", 400)
            before = {row["id"]: row for row in self._rows_of(kind, owner)}
            rows = [self._product(each) for each in given_rows]
            for row, each in zip(rows, given_rows):
                number = as_number(each.get("id", each.get("ID", 0)) or 0)
                row |= {"ownerId": owner, "ownerType": crm.product_owner(kind)}
                if number in before:
                    row["id"] = number
            products = {row["productId"] for row in rows if row["productId"]}
            if crm.rules.missing_products == "refuse" and len(crm.store.load("product", products)) < len(products):
                raise Refused("There is no such product", "INVALID_ARG_VALUE", 400)
            crm.store.remove("productrow", list(before))
            for row in rows:
                crm.store.insert("productrow", row)
            changes: Row = {"updatedTime": crm.now(), "updatedBy": user}
            if item.get("isManualOpportunity") != "Y":
                total = round(sum(row["price"] * row["quantity"] for row in rows), 2)
                changes["opportunity"] = int(total) if total == int(total) else total
            crm.touch(kind, owner, **changes)
            crm.automation[f"{kind} update"] += 1
            crm.emit(kind, "UPDATE", owner)

    def _product(self, each: Row) -> Row:
        camel = {_camel(str(name)): value for name, value in each.items()}
        row: Row = {}
        for name, default in defaults.PRODUCT_ROW.items():
            value = camel.get(name)
            try:
                if value is None or value == "":
                    row[name] = default
                elif name in ("productName", "taxName"):
                    row[name] = str(value)
                elif name == "taxIncluded":
                    row[name] = as_flag(value)
                else:
                    row[name] = convert("double", value, self.crm.zone)
            except ValueError:
                raise Refused(f"Invalid value of {name}", "INVALID_ARG_VALUE", 400) from None
        return row

    def rows_get(self, kind: str, asked: Asked) -> Answer:
        rows = []
        for row in map(shown_product, self._rows_of(kind, the_number(asked))):
            names = {name: "".join("_" + c if c.isupper() else c for c in name).upper() for name in row}
            rows.append({names[name]: text_of(value) for name, value in row.items()})
        return Answer(rows)

    def rows_set(self, kind: str, asked: Asked) -> Answer:
        rows = [dict(each) for _key, each in items(given(asked).get("rows"))]
        self.set_rows(kind, the_number(asked), rows, asked.credential.user)
        return Answer(True)

    # -- calls -------------------------------------------------------------------------------------------------------

    def call_list(self, asked: Asked) -> Answer:
        """Calls of the telephony; a store of their own, which tests fill with `crm.add("call", …)`."""
        parameters = given(asked)
        order = {str(parameters["sort"]): parameters.get("order") or "ASC"} if parameters.get("sort") else {}
        plain = Asked(asked.credential, {**parameters, "order": order}, asked.fault, asked.base_url)
        return self.calls.list(plain, All(()), lambda row: {name: text_of(row.get(name)) for name in CALLS})

    # -- stages --------------------------------------------------------------------------------------------------------

    def stage_list(self, asked: Asked) -> Answer:
        """Read-only: nothing writes the history but the moves themselves."""
        kind = self.crm.kind_of(required(asked, "entityTypeId"))
        lead = kind == "lead"
        base = Condition("OWNER_TYPE_ID", "=", self.crm.entity_type(kind))
        numbers, total, following = self.stage_history.find(asked, base)
        found = self.crm.store.load("stagehistory", numbers)
        rows = []
        for row in (found[number] for number in numbers if number in found):
            shown = {name: row[name] for name in ("ID", "TYPE_ID", "OWNER_ID", "CREATED_TIME")}
            if lead:
                shown |= {"STATUS_SEMANTIC_ID": row["STAGE_SEMANTIC_ID"], "STATUS_ID": row["STAGE_ID"]}
            else:
                shown |= {name: row[name] for name in ("CATEGORY_ID", "STAGE_SEMANTIC_ID", "STAGE_ID")}
            rows.append(shown)
        return Answer({"items": rows}, total, following)


def shown_product(row: Row) -> Row:
    price, tax = row["price"], row["taxRate"] or 0
    exclusive = round(price / (1 + tax / 100), 8) if row["taxIncluded"] == "Y" else price
    shown = {name: row[name] for name in ("id", "ownerId", "ownerType", *defaults.PRODUCT_ROW)}
    shown |= {"priceAccount": price, "priceExclusive": exclusive, "priceNetto": exclusive, "priceBrutto": price}
    shown |= {"taxName": row["taxName"] or ("No VAT" if row["taxRate"] is None else None)}
    return {**shown, "customized": "Y", "measureName": "pcs", "xmlId": "", "type": 4, "storeId": None}


def described(fields: t.Mapping[str, Field], read_only: t.Collection[str]) -> Row:
    """What crm.*.fields says of fields."""
    return {
        name: {
            "type": field.type,
            "isRequired": False,
            "isReadOnly": name in read_only,
            "isImmutable": False,
            "isMultiple": field.multiple,
            "isDynamic": False,
            "title": name,
        }
        for name, field in fields.items()
    }


def _camel(name: str) -> str:
    if name.upper() != name:
        return name
    first, *rest = name.lower().split("_")
    return first + "".join(part.capitalize() for part in rest)


def _filled(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}
