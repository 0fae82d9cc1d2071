# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that silence a copy's tables: one for each kind of row that could reach somebody."""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class Rule:
    """Rows that could reach somebody; they are updated with `values`, or deleted where there are none."""

    id: str
    area: str
    what: str
    table: str
    values: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    #: Which rows, as SQL over the columns in `reads` alone. Double a literal per cent sign.
    where: str = ""
    reads: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.values, *self.reads)


# An address that can never exist (RFC 2606).
NOWHERE = "https://neutralized.invalid/"
_WAITING = "SUCCESS_EXEC IN ('N', 'P')"

RULES = (
    Rule(
        "mail_queue", "mail", "letters that wait are never sent", "b_event", {"SUCCESS_EXEC": "Y"}, "SUCCESS_EXEC = 'N'"
    ),
    Rule("mail_mailboxes", "mail", "no mailbox is fetched", "b_mail_mailbox", {"ACTIVE": "N"}),
    Rule("mail_oauth", "mail", "no mailbox's token is used", "b_mail_oauth"),
    Rule("mail_senders", "mail", "no sender has a mail server of its own", "b_main_mail_sender", {"IS_CONFIRMED": 0}),
    Rule(
        "mail_campaigns",
        "mail",
        "campaigns that run or wait are paused",
        "b_sender_mailing_chain",
        {"STATUS": "P"},
        "STATUS IN ('S', 'W', 'T', 'R')",
    ),
    Rule(
        "mail_sms_queue",
        "mail",
        "SMS that wait are never sent",
        "b_messageservice_message",
        {"SUCCESS_EXEC": "Y"},
        _WAITING,
    ),
    Rule("mail_sms_providers", "mail", "no application sends SMS", "b_messageservice_rest_app"),
    Rule("push_devices", "push", "no telephone is known", "b_pull_push"),
    Rule("push_queue", "push", "push messages that wait are never sent", "b_pull_push_queue"),
    Rule("push_channels", "push", "no channel of production is used", "b_pull_channel"),
    Rule("push_stack", "push", "nothing waits in production's channels", "b_pull_stack"),
    Rule("push_watches", "push", "nobody watches through production's channels", "b_pull_watch"),
    Rule("robots_events", "robots", "no business process waits for an event", "b_bp_scheduler_event"),
    Rule("robots_schedule", "robots", "no business process starts by the clock", "b_bp_workflow_trigger_schedule"),
    Rule("robots_rest", "robots", "no robot calls an application", "b_bp_rest_activity", {"HANDLER": NOWHERE}),
    Rule("rest_events", "rest", "no outgoing webhook and no application is called", "b_rest_event"),
    Rule("rest_offline", "rest", "no event waits for an application", "b_rest_event_offline"),
    Rule("rest_incoming", "rest", "production's incoming webhooks do not work", "b_rest_ap", {"ACTIVE": "N"}),
    Rule("telephony_sip", "telephony", "no SIP line is registered", "b_voximplant_sip"),
    Rule("telephony_numbers", "telephony", "no number leads to a user", "b_voximplant_phone"),
    Rule("telephony_lines", "telephony", "no application's line is used", "b_voximplant_external_line"),
    Rule(
        "telephony_config",
        "telephony",
        "no rented number and no line belongs to the copy",
        "b_voximplant_config",
        {"SEARCH_ID": None},
    ),
    Rule(
        "connectors",
        "connectors",
        "no messenger is connected",
        "b_imconnectors_status",
        {"ACTIVE": "N", "CONNECTION": "N", "REGISTER": "N"},
    ),
    Rule("calendar_push", "calendar", "no calendar service reports changes", "b_calendar_push"),
    Rule("calendar_sections", "calendar", "no calendar is synchronised", "b_calendar_section_connection"),
    Rule("calendar_accounts", "calendar", "no calendar account is used", "b_dav_connections"),
    Rule(
        "storage_read_only",
        "storage",
        "production's cloud files are not changed",
        "b_clouds_file_bucket",
        {"READ_ONLY": "Y"},
    ),
)
DETACH_BUCKETS = (
    Rule(
        "storage_detached",
        "storage",
        "production's cloud files are out of reach",
        "b_clouds_file_bucket",
        {"ACTIVE": "N"},
    ),
)
