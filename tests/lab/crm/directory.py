# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What records refer to: employees, statuses, pipelines, smart processes, user fields; and the portal itself."""

from __future__ import annotations

import re
import typing as t

from lab.crm.defaults import GENERAL, TYPE_FLAGS, status_row
from lab.crm.encoding import RowCache
from lab.crm.fields import MULTIPLE, TYPES, Field, as_flag, as_number, convert
from lab.crm.filters import items
from lab.crm.portal import USER_FIELDS_OF, Crm
from lab.crm.store import All, Any_, Condition, Where
from lab.crm.tables import Method, Table, columns, given, given_fields, required, text_of, the_number
from lab.rest.answers import Answer, Asked, Refused, Row

USER = columns(
    "ID:integer XML_ID ACTIVE:integer NAME LAST_NAME SECOND_NAME EMAIL LAST_LOGIN DATE_REGISTER TIME_ZONE IS_ONLINE"
    " WORK_POSITION PERSONAL_PHONE PERSONAL_MOBILE WORK_PHONE UF_DEPARTMENT UF_PHONE_INNER USER_TYPE"
)
STATUS = columns(
    "ID:integer ENTITY_ID STATUS_ID NAME NAME_INIT SORT:integer SYSTEM COLOR SEMANTICS CATEGORY_ID:integer"
)
PRODUCT = columns(
    "ID:integer NAME CODE ACTIVE PRICE:double CURRENCY_ID XML_ID SECTION_ID:integer SORT:integer DESCRIPTION"
    " MEASURE:integer VAT_ID:integer VAT_INCLUDED DATE_CREATE:datetime TIMESTAMP_X:datetime"
)
USER_FIELD = columns(
    "ID:integer ENTITY_ID FIELD_NAME USER_TYPE_ID XML_ID SORT:integer MULTIPLE MANDATORY SHOW_FILTER SHOW_IN_LIST"
    " EDIT_IN_LIST IS_SEARCHABLE SETTINGS EDIT_FORM_LABEL LIST_COLUMN_LABEL LIST_FILTER_LABEL LIST"
)
#: Fields of a user field that can be changed later on.
CHANGEABLE = ("XML_ID", "SORT", "SETTINGS", "EDIT_FORM_LABEL", "SHOW_FILTER")
HITS, VALUES = 20, 20
#: Kinds that crm.duplicate.findbycomm looks at, in this order.
WITH_PHONES = ("lead", "contact", "company")
#: Methods of controllers: method.get does not look at what comes after these.
CONTROLLERS = ("crm.item.", "crm.type.", "crm.category.", "crm.activity.binding.", "crm.stagehistory.")


class Directory:
    """The methods."""

    def __init__(self, crm: Crm, cache: RowCache, names: t.Callable[[], t.Collection[str]]) -> None:
        """`names` gives the names of all methods that the portal has."""
        self.crm, self._names = crm, names
        self.users = Table(crm, cache, "user", USER)
        self.statuses = Table(crm, cache, "status", STATUS)
        self.products = Table(crm, cache, "product", PRODUCT)
        self.user_fields = Table(crm, cache, "field", USER_FIELD)

    def methods(self) -> dict[str, Method]:
        found: dict[str, Method] = {
            "user.get": self.user_get,
            "user.search": self.user_get,
            "user.current": lambda asked: Answer(self._shown_user(self.users.one(asked.credential.user))),
            "user.admin": lambda asked: Answer(self.crm.is_admin(asked.credential.user)),
            "profile": self.profile,
            "server.time": lambda asked: Answer(self.crm.now()),
            "methods": lambda asked: Answer(sorted(self._names())),
            "method.get": self.method_get,
            "feature.get": self.feature_get,
            "scope": lambda asked: Answer(["crm", "user"]),
            "app.info": self.app_info,
            "crm.status.list": self.status_list,
            "crm.status.get": lambda asked: Answer(shown_status(self.statuses.one(the_number(asked)))),
            "crm.status.add": self.status_add,
            "crm.status.update": self.status_update,
            "crm.status.delete": self.status_delete,
            "crm.status.entity.items": self.status_items,
            "crm.status.entity.types": self.status_types,
            "crm.category.list": self.category_list,
            "crm.category.get": lambda asked: Answer({"category": self._category(*self._which(asked))}),
            "crm.category.add": self.category_add,
            "crm.category.update": self.category_update,
            "crm.category.delete": self.category_delete,
            "crm.type.list": self.type_list,
            "crm.type.get": lambda asked: Answer({"type": self._shown_type(self._type(the_number(asked)))}),
            "crm.type.getbyentitytypeid": self.type_by_number,
            "crm.type.add": self.type_add,
            "crm.type.update": self.type_update,
            "crm.type.delete": self.type_delete,
            "crm.duplicate.findbycomm": self.duplicates,
            "crm.currency.list": self.currencies,
            "crm.product.list": self.product_list,
            "crm.product.get": lambda asked: Answer(self._shown_product(self.products.one(the_number(asked)))),
            "crm.product.add": self.product_add,
            "crm.product.update": self.product_update,
            "crm.product.delete": self.product_delete,
        }
        for kind in TYPES:
            start = f"crm.{kind}.userfield."
            found[start + "list"] = self._of(kind, self.field_list)
            found[start + "get"] = self._of(kind, self.field_get)
            found[start + "add"] = self._of(kind, self.field_add)
            found[start + "update"] = self._of(kind, self.field_update)
            found[start + "delete"] = self._of(kind, self.field_delete)
        found["userfieldconfig.list"] = self.config_list
        found["userfieldconfig.add"] = self.config_add
        return found

    @staticmethod
    def _of(kind: str, method: t.Callable[[str, Asked], Answer]) -> Method:
        return lambda asked: method(kind, asked)

    def _admin(self, asked: Asked) -> None:
        if not self.crm.is_admin(asked.credential.user):
            raise Refused("Access denied.", "ACCESS_DENIED", 403)

    # -- employees and the portal ------------------------------------------------------------------------------------

    def _shown_user(self, row: Row) -> Row:
        shown: Row = {"ID": str(row["ID"]), "ACTIVE": bool(row.get("ACTIVE", True))}
        for name in ("NAME", "LAST_NAME", "SECOND_NAME", "EMAIL", "WORK_POSITION", "WORK_PHONE", "PERSONAL_MOBILE"):
            shown[name] = str(row.get(name) or "")
        shown |= {"USER_TYPE": row.get("USER_TYPE", "employee"), "UF_DEPARTMENT": row.get("UF_DEPARTMENT") or [1]}
        return {**shown, "XML_ID": str(row.get("XML_ID") or ""), "UF_PHONE_INNER": row.get("UF_PHONE_INNER")}

    def user_get(self, asked: Asked) -> Answer:
        """Employees, without bots and integrators. The filter may also stand beside the other parameters."""
        parameters = given(asked)
        known = {name: value for name, value in parameters.items() if name.upper().lstrip("!=@%<>") in USER}
        filters = dict(items(parameters.get("filter") or known))
        filters = {
            name.upper(): _active(value) if "ACTIVE" in name.upper() else value for name, value in filters.items()
        }
        direction = parameters.get("order")
        order = {str(parameters["sort"]): direction} if parameters.get("sort") else {}
        plain = Asked(asked.credential, {**parameters, "filter": filters, "order": order, "select": None})
        people = All([Condition("USER_TYPE", "not in", ["bot", "integrator", "email", "imconnector"])])
        return self.users.list(plain, people, self._shown_user)

    def profile(self, asked: Asked) -> Answer:
        row = self.users.one(asked.credential.user)
        shown = {"ID": str(row["ID"]), "ADMIN": bool(row.get("IS_ADMIN")), "NAME": row.get("NAME", "")}
        return Answer({**shown, "LAST_NAME": row.get("LAST_NAME", ""), "TIME_ZONE": ""})

    def method_get(self, asked: Asked) -> Answer:
        """Names in small letters alone; of a controller's method it is not looked at what it does."""
        name = str(asked.parameters.get("name") or "")
        there = name in self._names() or name.startswith(CONTROLLERS)
        return Answer({"isExisting": there, "isAvailable": there})

    def feature_get(self, asked: Asked) -> Answer:
        code = str(given(asked).get("code") or "0")
        if code == "0":
            raise Refused("CODE can't be empty", "CODE_EMPTY", 400)
        if self.crm.rules.box:
            return Answer({"value": "en_selfhosted"})
        extended = code not in ("rest_offline_extended", "rest_auth_connector") or self.crm.rules.offline_extended
        return Answer({"value": "Y" if extended else "N"})

    def app_info(self, asked: Asked) -> Answer:
        licence = "en_selfhosted" if self.crm.rules.box else "en_company"
        app = asked.credential.app
        shown: Row = {"SCOPE": ["crm", "user"], "LICENSE": licence}
        return Answer({"ID": app, "CODE": f"local.{app}", "INSTALLED": True, **shown} if app else shown)

    def currencies(self, asked: Asked) -> Answer:
        return Answer([{"CURRENCY": name, "BASE": "Y" if name == "RUB" else "N"} for name in ("RUB", "USD", "EUR")], 3)

    # -- statuses ----------------------------------------------------------------------------------------------------

    def status_list(self, asked: Asked) -> Answer:
        """All of them at once: this method has no pages."""
        numbers: list[int] = []
        start: int | None = 0
        while start is not None:
            more, total, start = self.statuses.find(Asked(asked.credential, {**given(asked), "start": start}), All(()))
            numbers += more
        found = self.crm.store.load("status", numbers)
        return Answer([shown_status(found[number]) for number in numbers if number in found], total)

    def status_add(self, asked: Asked) -> Answer:
        self._admin(asked)
        fields = given_fields(asked)
        entity, status = str(fields.get("ENTITY_ID") or ""), str(fields.get("STATUS_ID") or "")
        if not entity or not status or not fields.get("NAME"):
            raise Refused("The fields ENTITY_ID, STATUS_ID and NAME are required", "ERROR_CORE", 400)
        prefix, category = _stage_prefix(entity)
        if prefix and not status.startswith(prefix):
            status = prefix + status
        with self.crm.store.lock:
            if any(row["STATUS_ID"] == status for row in self.crm.statuses(entity)):
                raise Refused(f"Status {status} exists", "ERROR_CORE", 400)
            meaning = str(fields.get("SEMANTICS") or dict(items(fields.get("EXTRA"))).get("SEMANTICS") or "")
            sort = as_number(fields.get("SORT", 10)) or 10
            row = status_row(entity, status, str(fields["NAME"]), sort, meaning, category=category)
            return Answer(self.statuses.put({**row, "COLOR": str(fields.get("COLOR") or row["COLOR"])}))

    def status_update(self, asked: Asked) -> Answer:
        self._admin(asked)
        with self.crm.store.lock:
            row, fields = self.statuses.one(the_number(asked)), given_fields(asked)
            row |= {name: str(fields[name]) for name in ("NAME", "COLOR") if name in fields}
            if "SORT" in fields:
                row["SORT"] = as_number(fields["SORT"]) or 0
            self.statuses.replace(row["ID"], row)
        return Answer(True)

    def status_delete(self, asked: Asked) -> Answer:
        self._admin(asked)
        row = self.statuses.one(the_number(asked))
        if row["SYSTEM"] == "Y":
            raise Refused("CRM System Status can be deleted only if parameter FORCED is specified", "ERROR_CORE", 400)
        self.statuses.remove(row["ID"])
        return Answer(True)

    def status_items(self, asked: Asked) -> Answer:
        entity = str(required(asked, "entityId"))
        rows = self.crm.statuses(entity)
        return Answer([{"NAME": row["NAME"], "SORT": row["SORT"], "STATUS_ID": row["STATUS_ID"]} for row in rows])

    def status_types(self, asked: Asked) -> Answer:
        rows = self.crm.rows("status")
        return Answer([{"ID": entity, "NAME": entity} for entity in dict.fromkeys(row["ENTITY_ID"] for row in rows)])

    # -- pipelines ---------------------------------------------------------------------------------------------------

    def _pipelines(self, asked: Asked) -> str:
        kind = self.crm.kind_of(required(asked, "entityTypeId"))
        if kind != "deal" and not kind.startswith("smart:"):
            raise Refused(f"Entity type {kind} is not supported", "ENTITY_TYPE_NOT_SUPPORTED", 400)
        return kind

    def _which(self, asked: Asked) -> tuple[str, int]:
        return self._pipelines(asked), the_number(asked)

    def _general(self) -> Row:
        name = self.crm.store.setting("name of the general pipeline") or GENERAL
        return {"id": 0, "name": name, "sort": 300, "entityTypeId": 2, "isDefault": "Y"}

    def _shown(self, row: Row) -> Row:
        shown = {"id": row["ID"], "name": row["name"], "sort": row["sort"], "entityTypeId": row["entityTypeId"]}
        return {**shown, "isDefault": row.get("isDefault", "N"), "originId": "", "originatorId": ""}

    def _category(self, kind: str, number: int) -> Row:
        if kind == "deal" and number == 0:
            return self._general()
        found = [row for row in self.crm.categories(kind) if row["ID"] == number]
        if not found:
            raise Refused("Element not found", "NOT_FOUND", 400)
        return self._shown(found[0])

    def category_list(self, asked: Asked) -> Answer:
        kind = self._pipelines(asked)
        rows = [self._shown(row) for row in self.crm.categories(kind)] + ([self._general()] if kind == "deal" else [])
        rows.sort(key=lambda row: row["sort"])
        return Answer({"categories": rows}, len(rows))

    def category_add(self, asked: Asked) -> Answer:
        self._admin(asked)
        kind, fields = self._pipelines(asked), given_fields(asked)
        number = self.crm.add_category(
            kind, str(fields.get("name") or "Pipeline"), as_number(fields.get("sort", 500)) or 500
        )
        return Answer({"category": self._category(kind, number)})

    def category_update(self, asked: Asked) -> Answer:
        self._admin(asked)
        kind, number = self._which(asked)
        self._category(kind, number)
        fields = given_fields(asked)
        if number == 0:
            self.crm.store.set("name of the general pipeline", str(fields.get("name") or self._general()["name"]))
        else:
            row = self.crm.store.load("category", [number])[number]
            row["name"] = str(fields.get("name") or row["name"])
            row["sort"] = as_number(fields.get("sort", row["sort"])) or 0
            self.crm.store.replace("category", number, row)
        return Answer({"category": self._category(kind, number)})

    def category_delete(self, asked: Asked) -> Answer:
        self._admin(asked)
        kind, number = self._which(asked)
        if self._category(kind, number)["isDefault"] == "Y":
            raise Refused("Default category cannot be deleted", "ERROR_CORE", 400)
        if self.crm.store.count(kind, Condition("categoryId", "=", number)):
            raise Refused("Category has items", "ERROR_CORE", 400)
        entity = Condition("ENTITY_ID", "=", self.crm.stages(kind, number))
        self.statuses.remove(*self.crm.store.find("status", entity))
        self.crm.store.remove("category", [number])
        return Answer([])

    # -- smart processes ---------------------------------------------------------------------------------------------

    def _shown_type(self, row: Row) -> Row:
        shown = {"id": row["ID"], **{name: value for name, value in row.items() if name != "ID"}}
        return {**shown, "relations": row.get("relations", {"parent": [], "child": []})}

    def _type(self, number: int) -> Row:
        row = self.crm.store.load("type", [number]).get(number)
        if row is None:
            raise Refused("Smart process not found", "NOT_FOUND", 400)
        return row

    def type_list(self, asked: Asked) -> Answer:
        filters = {key.lstrip("=@"): value for key, value in items(given(asked).get("filter"))}
        rows = [self._shown_type(row) for row in self.crm.rows("type")]
        for name, value in filters.items():
            wanted = [str(each) for _key, each in items(value)] if isinstance(value, (list, dict)) else [str(value)]
            rows = [row for row in rows if str(row.get(name)) in wanted]
        return Answer({"types": rows}, len(rows))

    def type_by_number(self, asked: Asked) -> Answer:
        row = self.crm.smart_type(f"smart:{required(asked, 'entityTypeId')}")
        if row is None:
            raise Refused("Smart process not found", "NOT_FOUND", 400)
        return Answer({"type": self._shown_type(row)})

    def type_add(self, asked: Asked) -> Answer:
        self._admin(asked)
        fields = given_fields(asked)
        if not fields.get("title"):
            raise Refused("Title is required", "ERROR_CORE", 400)
        wanted = as_number(fields.get("entityTypeId") or 0) or 0
        number = self.crm.add_type(str(fields["title"]), wanted, {n: as_flag(fields.get(n, "N")) for n in TYPE_FLAGS})
        return Answer({"type": self._shown_type(self._type(number))})

    def type_update(self, asked: Asked) -> Answer:
        self._admin(asked)
        row, fields = self._type(the_number(asked)), given_fields(asked)
        row |= {name: as_flag(fields[name]) for name in TYPE_FLAGS if name in fields}
        row["title"] = str(fields.get("title") or row["title"])
        self.crm.store.replace("type", row["ID"], row)
        return Answer({"type": self._shown_type(row)})

    def type_delete(self, asked: Asked) -> Answer:
        self._admin(asked)
        row = self._type(the_number(asked))
        if self.crm.count(f"smart:{row['entityTypeId']}"):
            raise Refused("Smart process has items", "ERROR_CORE", 400)
        self.crm.store.remove("type", [row["ID"]])
        return Answer(None)

    # -- user fields -------------------------------------------------------------------------------------------------

    def _shown_field(self, row: Row, labels: bool = False) -> Row:
        names = [name for name in USER_FIELD if labels or not name.endswith("LABEL")]
        shown = {name: text_of(row.get(name)) for name in names if name in row}
        for name, value in (("SHOW_FILTER", "N"), ("SHOW_IN_LIST", "Y"), ("EDIT_IN_LIST", "Y"), ("IS_SEARCHABLE", "N")):
            shown.setdefault(name, value)
        return {**shown, "SORT": str(row.get("SORT", 100)), "SETTINGS": row.get("SETTINGS") or {}}

    def field_list(self, kind: str, asked: Asked) -> Answer:
        base = Condition("ENTITY_ID", "=", self.crm.user_fields_of(kind))
        return self.user_fields.list(asked, base, self._shown_field)

    def _field(self, kind: str, asked: Asked) -> Row:
        row = self.user_fields.one(the_number(asked))
        if row["ENTITY_ID"] != self.crm.user_fields_of(kind):
            raise Refused("Not found", "", 400)
        return row

    def field_get(self, kind: str, asked: Asked) -> Answer:
        return Answer(self._shown_field(self._field(kind, asked), labels=True))

    def field_add(self, kind: str, asked: Asked) -> Answer:
        self._admin(asked)
        fields = given_fields(asked)
        name = str(fields.get("FIELD_NAME") or "").upper()
        name = name if name.startswith("UF_CRM_") else f"UF_CRM_{name}"
        if not re.fullmatch(r"UF_CRM_\w+", name) or len(name) > 50 or name in self.crm.fields(kind):
            raise Refused(f"Field {name} exists or its name is wrong", "ERROR_CORE", 400)
        more: Row = {key: fields[key] for key in CHANGEABLE if key in fields}
        if "LIST" in fields:
            more["LIST"] = self._list(fields["LIST"], [])
        if "MANDATORY" in fields:
            more["MANDATORY"] = as_flag(fields["MANDATORY"])
        several = as_flag(fields.get("MULTIPLE", "N")) == "Y"
        number = self.crm.add_field(kind, name, str(fields.get("USER_TYPE_ID") or "string"), multiple=several, **more)
        self.crm.tell("field", ())
        return Answer(number)

    def _list(self, wanted: t.Any, before: list[Row]) -> list[Row]:
        """Choices of an enumeration: with ID one is changed (DEL deletes it), without one is added."""
        found = {str(each["ID"]): dict(each) for each in before}
        for _key, each in items(wanted):
            number = str(each.get("ID") or "")
            if number in found and as_flag(each.get("DEL", "N")) == "Y":
                del found[number]
            elif number in found:
                found[number] |= {name: str(each[name]) for name in ("VALUE", "SORT", "DEF", "XML_ID") if name in each}
            elif each.get("VALUE"):
                number = str(self.crm.store.next_id("enumeration"))
                row = {"ID": number, "SORT": str(each.get("SORT") or 100), "VALUE": str(each["VALUE"])}
                found[number] = {
                    **row,
                    "DEF": as_flag(each.get("DEF", "N")),
                    "XML_ID": str(each.get("XML_ID") or number),
                }
        return list(found.values())

    def field_update(self, kind: str, asked: Asked) -> Answer:
        self._admin(asked)
        row, fields = self._field(kind, asked), given_fields(asked)
        for name in (*CHANGEABLE, "MANDATORY"):
            if name in fields:
                row[name] = fields[name]
        if "LIST" in fields:
            row["LIST"] = self._list(fields["LIST"], row.get("LIST") or [])
        self.user_fields.replace(row["ID"], row)
        self.crm.forget_fields()
        return Answer(True)

    def field_delete(self, kind: str, asked: Asked) -> Answer:
        self._admin(asked)
        self.user_fields.remove(self._field(kind, asked)["ID"])
        self.crm.forget_fields()
        return Answer(True)

    def _config(self, row: Row) -> Row:
        shown = {"id": row["ID"], "entityId": row["ENTITY_ID"], "fieldName": row["FIELD_NAME"]}
        shown |= {"userTypeId": row["USER_TYPE_ID"], "multiple": row["MULTIPLE"], "mandatory": row["MANDATORY"]}
        choices = [{"id": str(e["ID"]), "value": e["VALUE"], "xmlId": e.get("XML_ID")} for e in row.get("LIST") or ()]
        return {
            **shown,
            "xmlId": row.get("XML_ID"),
            "sort": row.get("SORT", 100),
            **({"enum": choices} if choices else {}),
        }

    def config_list(self, asked: Asked) -> Answer:
        """User fields of any kind, smart processes too."""
        filters = {key.lstrip("="): value for key, value in items(given(asked).get("filter"))}
        wanted = filters.get("entityId")
        rows = [self._config(row) for row in self.crm.rows("field") if not wanted or row["ENTITY_ID"] == wanted]
        return Answer({"fields": rows}, len(rows))

    def config_add(self, asked: Asked) -> Answer:
        self._admin(asked)
        field = dict(items(required(asked, "field")))
        entity = str(field.get("entityId") or "")
        known = {each: kind for kind, each in USER_FIELDS_OF.items()}
        known |= {f"CRM_{row['ID']}": f"smart:{row['entityTypeId']}" for row in self.crm.rows("type")}
        if entity not in known:
            raise Refused("entityId is unknown", "ERROR_CORE", 400)
        listed = [{"VALUE": each.get("value")} for _key, each in items(field.get("enum"))]
        more = {"LIST": self._list(listed, [])} if listed else {}
        several = as_flag(field.get("multiple", "N")) == "Y"
        type_ = str(field.get("userTypeId") or "string")
        number = self.crm.add_field(known[entity], str(field.get("fieldName")), type_, multiple=several, **more)
        return Answer({"field": self._config(self.user_fields.one(number))})

    # -- products ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _shown_product(row: Row) -> Row:
        return {**{name: text_of(row.get(name)) for name in PRODUCT}, "PRICE": f"{row.get('PRICE') or 0:.2f}"}

    def product_list(self, asked: Asked) -> Answer:
        return self.products.list(asked, All(()), self._shown_product)

    def _product(self, asked: Asked) -> Row:
        fields = {name: value for name, value in given_fields(asked).items() if name in PRODUCT and name != "ID"}
        try:
            return {name: convert(PRODUCT[name].type, value, self.crm.zone) for name, value in fields.items()}
        except ValueError:
            raise Refused("A field has an invalid value", "ERROR_CORE", 400) from None

    def product_add(self, asked: Asked) -> Answer:
        fields = self._product(asked)
        if not fields.get("NAME"):
            raise Refused("Name is required", "ERROR_CORE", 400)
        return Answer(self.crm.add("product", fields))

    def product_update(self, asked: Asked) -> Answer:
        row = self.products.one(the_number(asked))
        self.products.replace(row["ID"], {**row, **self._product(asked), "TIMESTAMP_X": self.crm.now()})
        return Answer(True)

    def product_delete(self, asked: Asked) -> Answer:
        self.products.remove(self.products.one(the_number(asked))["ID"])
        return Answer(True)

    # -- duplicates --------------------------------------------------------------------------------------------------

    def duplicates(self, asked: Asked) -> Answer:
        """Not a key: at most 20 of each kind, and kinds after one with so many are left out silently."""
        parameters = given(asked)
        type_, values = str(parameters.get("type") or ""), [str(each) for _key, each in items(parameters.get("values"))]
        if not type_:
            raise Refused("Parameter 'type' is required.", "Communication type is not defined", 400)
        if type_ not in ("PHONE", "EMAIL"):
            code = f"Communication type '{type_}' is not supported in current context"
            raise Refused(code, code, 400)
        if not values:
            raise Refused("Parameter 'values' is required.", "Communication values is not defined", 400)
        wanted = {_comparable(type_, each) for each in values[:VALUES]}
        only = str(parameters.get("entity_type") or "").lower()
        found: Row = {}
        for kind in WITH_PHONES:
            if only and kind != only:
                continue
            hits = self._with(kind, type_, wanted)[:HITS]
            if hits:
                found[kind.upper()] = hits
            if len(hits) >= HITS:
                break
        return Answer(found or [])

    def _with(self, kind: str, type_: str, wanted: set[str]) -> list[int]:
        """A phone number's end narrows the search down, the whole number decides."""
        field = f"fm.{type_}"
        near: list[Where] = [
            Condition(field, "like", f"%{each[-2:] if type_ == 'PHONE' else each}%") for each in wanted
        ]
        numbers = self.crm.store.find(kind, Any_(near))
        rows = self.crm.store.load(kind, numbers)
        return [
            number
            for number in numbers
            if any(
                e["typeId"] == type_ and _comparable(type_, e["value"]) in wanted for e in rows[number].get("fm", ())
            )
        ]


def shown_status(row: Row) -> Row:
    shown = {name: text_of(row.get(name)) for name in ("ID", "ENTITY_ID", "STATUS_ID", "NAME", "NAME_INIT", "SORT")}
    shown |= {"SYSTEM": row["SYSTEM"], "COLOR": row["COLOR"], "SEMANTICS": row["SEMANTICS"] or None}
    shown["CATEGORY_ID"] = str(row["CATEGORY_ID"]) if row["CATEGORY_ID"] else None
    if row.get("STAGE") == "Y":
        meaning = {"S": "success", "F": "failure"}.get(row["SEMANTICS"], "process")
        shown["EXTRA"] = {"SEMANTICS": meaning, "COLOR": row["COLOR"]}
    return shown


def _stage_prefix(entity: str) -> tuple[str, int]:
    """How the STATUS_IDs of a list of stages begin, and its category."""
    deal = re.fullmatch(r"DEAL_STAGE_(\d+)", entity)
    if deal:
        return f"C{deal[1]}:", int(deal[1])
    smart = re.fullmatch(r"DYNAMIC_(\d+)_STAGE_(\d+)", entity)
    return (f"DT{smart[1]}_{smart[2]}:", int(smart[2])) if smart else ("", 0)


def _active(value: t.Any) -> bool:
    return str(value).lower() in ("1", "y", "true")


def _comparable(type_: str, value: str) -> str:
    if type_ == "EMAIL":
        return value.strip().lower()
    digits = re.sub(r"\D", "", value)
    return "7" + digits[1:] if len(digits) == 11 and digits.startswith("8") else digits


def multiple_fields() -> dict[str, Field]:
    """Multi-fields as the older methods filter by them."""
    return {name: Field(f"fm.{name}") for name in MULTIPLE}
