# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates that phones and browsers meet on the exchange's ports."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.context import TelephonyContext, check
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.served import of_file

DAY = 86400.0
DAYS_LEFT = 14


@check(
    "telephony.certificate",
    why="Browsers and phones leave without a word where the certificate is old, or for another name.",
    expected="each TLS port shows the file's certificate, for the exchange's name, with its chain, for 14 days more",
    remedy="Renew it and deploy it again (role boxlift.portal.telephony); the key must be readable by group asterisk.",
    blocks="some",
)
def certificate(context: TelephonyContext) -> Verdict:
    if context.look is None or not context.name or not context.tls_ports:
        raise DoesNotApply("no TLS port or no name was given")
    wrong, soon, unseen, days = [], [], [], []
    for port in context.tls_ports:
        try:
            shown = context.look(context.name, port)
        except ConnectionRefusedError:
            wrong.append(f"port {port}: nobody listens")
            continue
        except OSError as problem:
            unseen.append(f"port {port}: {problem or type(problem).__name__}")
            continue
        left = (shown.not_after - context.now()) / DAY
        days.append(left)
        if left <= 0:
            wrong.append(f"port {port}: expired {-left:.0f} days ago")
        elif left <= DAYS_LEFT:
            soon.append(f"port {port}: {left:.0f} days left")
        if not shown.covers(context.name):
            wrong.append(f"port {port}: for {', '.join(shown.names) or 'no name'}, not for {context.name}")
        if shown.problem and left > 0:
            wrong.append(f"port {port}: the chain is not accepted: {shown.problem}")
        if context.certificate_file:
            kept = of_file(context.certificate_file)
            if kept.fingerprint != shown.fingerprint:
                text = f"port {port}: not the certificate of {context.certificate_file}: it was not loaded again"
                wrong.append(f"{text} (served {shown.fingerprint[:16]}…, file {kept.fingerprint[:16]}…)")
    if wrong:
        return failed("; ".join(wrong + soon + unseen))
    if unseen:
        raise CannotLook("; ".join(unseen))
    if soon:
        return warned("; ".join(soon))
    ports = ", ".join(map(str, context.tls_ports))
    return passed(f"ports {ports}: {context.name}, {min(days):.0f} days left")
