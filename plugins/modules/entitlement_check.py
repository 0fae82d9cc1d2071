#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: entitlement_check
short_description: Hold licence files against what a site really uses
version_added: 0.2.0
description:
  - Reads licence files as the inventory maps their fields, and says for each feature that the site uses whether a
    licence grants it, to this host, on this day.
  - What the site uses is declared in O(uses). Modules that their makers license are added where they are seen, in
    Asterisk with O(exchange) and in the portal with O(document_root).
  - A feature that no valid licence grants is a C(fail), and so is a licence for another host or one that has expired.
    What cannot be read or proven is C(unknown), never good.
  - A trial, and a licence that ends soon, is a C(warn) and a debt, with its owner and the day until which it must be
    paid. M(boxlift.portal.report) lists debts until a later look finds them paid, and M(boxlift.portal.notify) tells of
    them until then.
  - An action brings the files that lie on the controller. Nothing is changed anywhere.
requirements:
  - cryptography on the host, for licences that are signed
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It only looks.
  idempotent:
    support: full
options:
  uses:
    description:
      - The features that need a licence.
      - Without this option nobody has said what the site uses, which is C(unknown). An empty list says that it uses
        none; modules that were seen in use are judged all the same.
    type: list
    elements: dict
    aliases: [required]
    suboptions:
      feature:
        description: Its id, in small letters, digits, underscores, dots and dashes. The finding is C(entitlement.ID).
        type: str
        required: true
      title:
        description: What people call it.
        type: str
        default: ""
      owner:
        description: Which organisation or person of the plan sees to its licence.
        type: str
        default: sales
      modules:
        description: Modules of Asterisk or of the portal that are this feature, so that they are not judged apart.
        type: list
        elements: str
        default: []
      free:
        description: Why it needs no licence. Then it is skipped, with this reason.
        type: str
        default: ""
      group:
        description: Only hosts of this group of the inventory are asked. O(default_group) if not set.
        type: str
  licence_files:
    description:
      - The licence files, and how each is to be read.
      - The journal takes what stands below the alias O(licence) for a secret and masks it.
    type: list
    elements: dict
    default: []
    aliases: [licence]
    suboptions:
      path:
        description: The file, on the host, or with O(licence_files[].controller) on the controller.
        type: str
        required: true
      id:
        description: Its name in the finding C(entitlement.file.ID). The file's own name if not set.
        type: str
      controller:
        description: Whether the file, and that of its signature, lies on the controller.
        type: bool
        default: false
      group:
        description: Only hosts of this group of the inventory read it. O(default_group) if not set.
        type: str
      format:
        description: What the file is. Lines of V(key_value) and V(ini) have a name, C(=) or C(:), and a value.
        type: str
        choices: [key_value, ini, json, xml]
        default: key_value
      encoding:
        description: >-
          How the text is encoded. V(auto) knows UTF-8, UTF-16 and UTF-32 by their marks, UTF-16 of plain letters
          without one, and what XML says of itself.
        type: str
        default: auto
        choices:
          - auto
          - utf-8
          - utf-16
          - utf-16-le
          - utf-16-be
          - latin-1
          - windows-1251
          - windows-1252
          - koi8-r
          - gb18030
          - shift_jis
      fields:
        description:
          - The field map, by which each of these is found. The names of fields stand from the outside in, with slashes
            between them and without the root of XML, as V(features/feature/@name). V(feature[id=voice]/expires) takes
            the field in which C(id) is C(voice).
          - What is not named is not asked. A field that is named and missing or empty makes the file C(unknown).
        type: dict
        suboptions:
          features:
            description: The features that it grants, in one field or several, or as fields that say yes.
            type: str
          expires:
            description: Until when it is valid.
            type: str
          starts:
            description: From when on it is valid.
            type: str
          trial:
            description: Whether it is a trial.
            type: str
          customer:
            description: To whom it was given.
            type: str
          host_name:
            description: The name of the host that it is for.
            type: str
          mac:
            description: The MAC address of the host that it is for.
            type: str
          machine_id:
            description: The machine-id, or the hardware's UUID, of the host that it is for.
            type: str
          domain:
            description: The portal's domain that it is for, which is one of O(domains).
            type: str
      grants:
        description: Features that the file stands for by itself, where no field lists them.
        type: list
        elements: str
        default: []
      names:
        description: The site's id of a feature by the name that the file has for it.
        type: dict
        default: {}
      separator:
        description: What stands between features in one field. A comma, a semicolon or a bar if not set.
        type: str
        default: ""
      date_format:
        description: >-
          V(iso) such as V(2026-12-05) or V(2026-12-05T23:59:59+03:00), V(unix) seconds, V(unix_ms), or a pattern such
          as V(%d.%m.%Y).
        type: str
        default: iso
      timezone:
        description: The time zone of dates that name none. O(timezone) if not set.
        type: str
      last_day:
        description: Whether a date without a time is the last day on which it is valid, or the first of the others.
        type: bool
        default: true
      unlimited:
        description: What stands in place of a date if it never ends.
        type: list
        elements: str
        default: [never, perpetual, permanent, unlimited, none]
      any_host:
        description: What stands in place of a host or a domain if it is for any.
        type: list
        elements: str
        default: ["*", any, all]
      trial_values:
        description: Values of C(fields.trial) that say that it is a trial.
        type: list
        elements: str
        default: ["true", "yes", "y", "1", "on", trial, demo, eval, evaluation]
      full_values:
        description: Values of C(fields.trial) that say that it is none. Any other value makes the file C(unknown).
        type: list
        elements: str
        default: ["false", "no", "n", "0", "off", full, commercial, production]
      trial:
        description: Whether the site knows that it is a trial, whatever the file says.
        type: bool
        default: false
      customer:
        description: Who must stand in C(fields.customer).
        type: str
        default: ""
      owner:
        description: Who sees to this file.
        type: str
        default: sales
      replace_by:
        description: The day, as V(2026-12-20), until which it is to be replaced; it is a debt until then.
        type: str
        default: ""
      signed:
        description: How it is signed. What is not proven by the named key counts for nothing.
        type: dict
        suboptions:
          method:
            description: The method, which the file itself is not asked for.
            type: str
            choices: [ed25519, rsa_pss_sha256, rsa_pkcs1_sha256]
            required: true
          public_key_file:
            description: The issuer's public key, or a certificate with it, in PEM or DER, on the controller.
            type: str
            required: true
          layout:
            description:
              - V(detached) has the signature in O(licence_files[].signed.signature_file).
              - V(fields) has payload and signature in two fields of an envelope.
              - V(marker) has the signature after the line O(licence_files[].signed.marker).
              - V(jws) is C(header.payload.signature).
            type: str
            choices: [detached, fields, marker, jws]
            default: detached
          signature_file:
            description: The detached signature, raw, in hexadecimal or in Base64, beside the licence.
            type: str
          envelope:
            description: The format of the envelope.
            type: str
            choices: [key_value, ini, json, xml]
            default: json
          payload_field:
            description: The path of the payload in the envelope.
            type: str
            default: payload
          proof_field:
            description: The path of the signature in the envelope.
            type: str
            default: signature
          payload_base64:
            description: Whether the payload is in Base64. Otherwise its text was signed, in UTF-8.
            type: bool
            default: true
          marker:
            description: The line after which the signature stands.
            type: str
            default: ""
          verify_with:
            description: What the public key's file holds, in Base64; the action brings it.
            type: str
          proof:
            description: What the signature's file holds, in Base64; the action brings it from the controller.
            type: str
      content:
        description: What the file holds, in Base64; the action brings it from the controller.
        type: str
      absent:
        description: Whether the file is missing on the controller; the action says so.
        type: bool
        default: false
      problem:
        description: Why a file on the controller cannot be read; the action says so.
        type: str
  default_group:
    description: The group of uses and files that name none. Every host is asked for them if not set.
    type: str
  day:
    description: >-
      The day or moment for which it is judged, as V(2026-12-05) or V(2026-12-06T00:00:00+01:00); the host's clock if
      not set. A day is meant to its end. Write the alias V(on) in quotes, since YAML takes it for a truth value.
    type: str
    default: ""
    aliases: ["on"]
  timezone:
    description: The time zone of dates that name none.
    type: str
    default: Etc/UTC
  soon_days:
    description: A licence that ends within so many days is a debt.
    type: int
    default: 30
  domains:
    description: The portal's domain and its aliases.
    type: list
    elements: str
    default: []
  identity:
    description: For which host it is judged, where the module does not run on that host. This one if not set.
    type: dict
    suboptions:
      host_name:
        description: Its names.
        type: list
        elements: str
        default: []
      mac:
        description: Its MAC addresses.
        type: list
        elements: str
        default: []
      machine_id:
        description: Its machine-id and hardware's UUID.
        type: list
        elements: str
        default: []
  exchange:
    description: Whether Asterisk runs here, and is asked for the modules that it has loaded.
    type: bool
    default: false
  asterisk_modules:
    description: Its modules without C(.so), where they are known from elsewhere.
    type: list
    elements: str
  document_root:
    description: The portal's document root, to see which modules of other makers its database calls installed.
    type: path
  portal_modules:
    description: The modules, where they are known from elsewhere, as C(registered) of M(boxlift.portal.portal_info).
    type: list
    elements: str
  fail_on:
    description: Which findings fail the task.
    type: str
    choices: [never, fail, unknown, warn]
    default: fail
seealso:
  - module: boxlift.portal.portal_info
  - module: boxlift.portal.gate
  - module: boxlift.portal.report
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: See whether the licences cover what the exchange uses
  boxlift.portal.entitlement_check:
    uses:
      - feature: voice_library
        title: Voice library
        modules: [res_speech_lumenvox]
    licence_files:
      - path: /etc/asterisk/licences/voice.lic
        fields: {features: Features, expires: Expires, mac: HostId, trial: Type}
        date_format: "%d.%m.%Y"
        names: {VL-PRO: voice_library}
    exchange: true

- name: Hold a signed licence that lies here against the day of the move
  boxlift.portal.entitlement_check:
    uses: [{feature: voice_library}]
    licence_files:
      - path: files/portal.lic
        controller: true
        format: json
        fields: {features: features/id, expires: valid_to, domain: domain}
        signed: {method: ed25519, layout: jws, public_key_file: files/vendor.pub}
    domains: [portal.example.com]
    day: "2026-12-06"
    fail_on: never
  register: entitlements
"""

RETURN = r"""
findings:
  description: >-
    One for each use (C(entitlement.FEATURE)) and for each file (C(entitlement.file.ID)), and C(entitlement.uses) where
    nothing is declared.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The check.
      type: str
    area:
      description: Always V(entitlement).
      type: str
    status:
      description: V(pass), V(warn), V(fail), V(unknown) (could not look) or V(skip) (with the reason).
      type: str
    observed:
      description: What was seen, or why it could not be looked at.
      type: str
    expected:
      description: What should be seen.
      type: str
    remedy:
      description: What to do; empty when all is in order.
      type: str
    owner:
      description: Who does it.
      type: str
    reference:
      description: Where the expectation comes from.
      type: str
  sample:
    - id: entitlement.voice_library
      area: entitlement
      status: fail
      observed: /etc/asterisk/licences/voice.lic does not grant it
      expected: a valid licence with voice_library, for Voice library
      remedy: >-
        Get a licence for Voice library and name its file in site_licence_files, in /etc/asterisk/licences/voice.lic or
        beside it.
      owner: sales
      reference: ""
debts:
  description: What works today, and must be replaced.
  returned: always
  type: list
  elements: dict
  contains:
    feature:
      description: The feature.
      type: str
    reason:
      description: Why.
      type: str
    owner:
      description: Who pays it.
      type: str
    until:
      description: The last day; empty if it is not known.
      type: str
    remedy:
      description: What to do.
      type: str
  sample:
    - feature: voice_library
      reason: "/etc/asterisk/licences/voice.lic: it is a trial, valid until 2026-12-21 00:00 Etc/UTC"
      owner: sales
      until: "2026-12-20"
      remedy: >-
        Replace it by a full licence. It is for Voice library, in /etc/asterisk/licences/voice.lic, until 2026-12-20.
files:
  description: What stands in each file.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Its name in the findings.
      type: str
    path:
      description: Where it is.
      type: str
    status:
      description: V(pass), V(warn), V(fail) or V(unknown).
      type: str
    reason:
      description: Why.
      type: str
    features:
      description: The features that it grants.
      type: list
      elements: str
    expires:
      description: The first moment, in UTC, at which it is not valid any more; empty if it never ends or is not known.
      type: str
    trial:
      description: Whether it is a trial.
      type: bool
    customer:
      description: To whom it was given.
      type: str
    proven:
      description: Whether its signature was verified.
      type: bool
  sample:
    - id: voice.lic
      path: /etc/asterisk/licences/voice.lic
      status: pass
      reason: valid until 2027-02-21 00:00 Etc/UTC
      features: [voice_library]
      expires: "2027-02-21T00:00:00+00:00"
      trial: false
      customer: Example Ltd
      proven: false
summary:
  description: How many findings there are of each status.
  returned: always
  type: dict
  sample: {pass: 2, warn: 0, fail: 1, unknown: 0, skip: 0}
"""

import datetime
import os
import socket
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement import dates, documents, licence, uses
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.identity import KINDS, Identity, of_this_host
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.judge import AREA, Around, Judgement, judge
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.signed import LAYOUTS, METHODS
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.finding import FAIL_ON, Finding, summarize
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.portal.login import choose_login, portal_connection
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import rows

MOST_DAYS = 3650
MODULES_CONF = "/etc/asterisk/modules.conf"
Data = dict[str, t.Any]


def identity_of(params: Data) -> Identity:
    given = params["identity"]
    if given is None:
        by_name = any((entry["fields"] or {}).get("host_name") for entry in params["licence_files"])
        # A name service that is away takes its time, so it is asked only where some licence is for a name.
        names = (socket.gethostname, socket.getfqdn) if by_name else (socket.gethostname,)
        return of_this_host(params["domains"], names=names)
    return Identity(**{kind: tuple(values) for kind, values in given.items()}, domain=tuple(params["domains"]))


def loader(entry: Data, file: licence.LicenceFile) -> t.Callable[[], licence.Licence]:
    """Reads the file when it is judged, so that what is wrong with it is a finding."""

    def load() -> licence.Licence:
        if entry["problem"]:
            raise BoxliftError(f"it cannot be read on the controller: {entry['problem']}", "Correct its entry.")
        if entry["absent"]:
            raise licence.Absent("it is not there, on the controller", f"Bring {file.path}, or correct its path.")
        content = None if entry["content"] is None else licence.brought(entry["content"])
        how = licence.signed_as(entry["signed"], proof_of(entry)) if entry["signed"] else None
        return licence.load(file, content, how)

    return load


def proof_of(entry: Data) -> bytes | None:
    """The detached signature, which lies where the licence lies; None if it is not there."""
    told = entry["signed"]
    if told["proof"] is not None:
        return licence.brought(told["proof"])
    path = told["signature_file"]
    return documents.read_bounded(path) if path and not entry["controller"] and os.path.exists(path) else None


def seen_in_use(params: Data) -> tuple[list[uses.Use], list[Finding]]:
    """Uses by modules, and findings on what could not be asked."""
    asterisk, portal, blind = params["asterisk_modules"] or [], params["portal_modules"] or [], []
    if params["exchange"]:
        text = None
        if os.path.exists(MODULES_CONF):
            text = documents.read_bounded(MODULES_CONF).decode("utf-8", "replace")
        found, problem = uses.of_exchange(program.run, text)
        asterisk = [*asterisk, *found]
        if problem:
            blind.append(_blind("asterisk_modules", problem, "Start Asterisk, and look again."))
    root = params["document_root"]
    if root and not os.path.isdir(os.path.join(root, "bitrix")):
        blind.append(Finding(f"{AREA}.portal_modules", AREA, "skip", f"no portal is in {root} yet"))
    elif root:
        try:
            with portal_connection(*choose_login(None, root)) as conn:
                portal = [*portal, *sorted(row["ID"] for row in rows(conn, "SELECT ID FROM b_module"))]
        except BoxliftError as error:
            blind.append(_blind("portal_modules", error.message, error.remedy))
    return uses.derived(asterisk, portal), blind


def _blind(name: str, observed: str, remedy: str) -> Finding:
    return Finding(f"{AREA}.{name}", AREA, "unknown", observed.rstrip("."), "what is in use can be seen", remedy)


def work(params: Data) -> Judgement:
    zone = dates.zone_of(params["timezone"])
    if not 0 <= params["soon_days"] <= MOST_DAYS:
        raise BoxliftError(f"soon_days is {params['soon_days']}.", f"Give a number of days, {MOST_DAYS} at most.")
    told = uses.declared(params["uses"] or [])
    seen, blind = seen_in_use(params)
    entries = params["licence_files"]
    files = licence.declared_all(entries, params["timezone"])
    now = dates.moment_of(params["day"], zone) if params["day"] else datetime.datetime.now(dates.UTC)
    return judge(
        uses.together(told, seen),
        [(file, loader(entry, file)) for entry, file in zip(entries, files)],
        Around(identity_of(params), now, datetime.timedelta(days=params["soon_days"])),
        blind,
        declared=params["uses"] is not None,
    )


def run(module: AnsibleModule) -> None:
    judged = work(module.params)
    findings = judged.findings
    result = {"changed": False, **judged.as_dict(), "summary": summarize(findings)}
    wrong = [each.id for each in findings if each.status in FAIL_ON[module.params["fail_on"]]]
    if wrong:
        module.fail_json(msg=f"{len(wrong)} of {len(findings)} checks are not in order: {', '.join(wrong)}.", **result)
    module.exit_json(**result)


def argument_spec() -> Data:
    texts: Data = {"type": "list", "elements": "str"}
    some: Data = {**texts, "default": []}
    text: Data = {"type": "str", "default": ""}
    use = {
        "feature": {"type": "str", "required": True},
        "title": text,
        "owner": {"type": "str", "default": "sales"},
        "modules": some,
        "free": text,
        "group": {"type": "str"},
    }
    how = {
        "method": {"type": "str", "choices": list(METHODS), "required": True},
        "public_key_file": {"type": "str", "required": True, "no_log": False},
        "layout": {"type": "str", "choices": list(LAYOUTS), "default": "detached"},
        "signature_file": {"type": "str"},
        "envelope": {"type": "str", "choices": list(documents.FORMATS), "default": "json"},
        "payload_field": {"type": "str", "default": "payload"},
        "proof_field": {"type": "str", "default": "signature"},
        "payload_base64": {"type": "bool", "default": True},
        "marker": text,
        "verify_with": {"type": "str"},
        "proof": {"type": "str"},
    }
    file = {
        "path": {"type": "str", "required": True},
        "id": {"type": "str"},
        "controller": {"type": "bool", "default": False},
        "group": {"type": "str"},
        "format": {"type": "str", "choices": list(documents.FORMATS), "default": "key_value"},
        "encoding": {"type": "str", "choices": list(documents.ENCODINGS), "default": "auto"},
        "fields": {"type": "dict", "options": {name: {"type": "str"} for name in licence.FIELDS}},
        "grants": some,
        "names": {"type": "dict", "default": {}},
        "separator": text,
        "date_format": {"type": "str", "default": dates.ISO},
        "timezone": {"type": "str"},
        "last_day": {"type": "bool", "default": True},
        "unlimited": {**texts, "default": list(licence.UNLIMITED)},
        "any_host": {**texts, "default": list(licence.ANY_HOST)},
        "trial_values": {**texts, "default": list(licence.TRIAL)},
        "full_values": {**texts, "default": list(licence.FULL)},
        "trial": {"type": "bool", "default": False},
        "customer": text,
        "owner": {"type": "str", "default": "sales"},
        "replace_by": text,
        "signed": {"type": "dict", "options": how},
        # It may hold the maker's own secrets, so no output shows it.
        "content": {"type": "str", "no_log": True},
        "absent": {"type": "bool", "default": False},
        "problem": {"type": "str"},
    }
    return {
        "uses": {"type": "list", "elements": "dict", "options": use, "aliases": ["required"]},
        "licence_files": {
            "type": "list",
            "elements": "dict",
            "options": file,
            "default": [],
            "aliases": ["licence"],
            "no_log": False,
        },
        "default_group": {"type": "str"},
        "day": {**text, "aliases": ["on"]},
        "timezone": {"type": "str", "default": "Etc/UTC"},
        "soon_days": {"type": "int", "default": 30},
        "domains": some,
        "identity": {"type": "dict", "options": {kind: some for kind in KINDS if kind != "domain"}},
        "exchange": {"type": "bool", "default": False},
        "asterisk_modules": texts,
        "document_root": {"type": "path"},
        "portal_modules": texts,
        "fail_on": {"type": "str", "choices": list(FAIL_ON), "default": "fail"},
    }


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the secrets within its options."""


def main() -> None:
    module = Module(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
