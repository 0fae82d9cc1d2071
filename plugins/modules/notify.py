# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.notify, which sends notices from the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: notify
short_description: Tell the people of a plan what goes on, by mail and webhook
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - The people that the plan names hear what happens, since when, how far, until when, and when they hear again. Each in
    his language (ar, de, en, hi, ru or zh).
  - They hear while a step of the plan runs for long, while an error or a killed run is not cured, while a gate waits,
    when the forecast asks for a decision, and as long as a licence is owed.
  - The first notice comes within C(first_minutes) of the step, at most 5 minutes. The next ones come at least every
    C(every_minutes), in an incident at least every 20 minutes. The last sixth of that time is kept for trying again.
  - The debts of M(boxlift.portal.entitlement_check) are told to the people of the owner's organisation and to whoever
    has the role C(coordinator). Once a debt is found, 60, 30, 14, 7 and 1 days before its day, every day after it, and
    once a later look in the same journal finds it paid. Without a day, every 7 days. Each within 12 hours.
  - In operation they hear of each incident that M(boxlift.portal.incident) has opened. At once, then at least every 20
    minutes (V(critical)) or 30 minutes (V(normal)), and that it is over. These notices are lines of the site's records.
    Everybody who was to hear counts there, also whom no channel reaches, with the reason.
  - What is due follows from the plan, the journal and the time alone. So this may be run as often as one likes, by hand
    or by a timer, and a run that is killed loses no notice. Only one run sends at a time; another one says so and ends.
  - Every notice, sent or failed, is a line of the journal. A channel that fails is tried again at each look while the
    notice can still be in time, and every five minutes afterwards. It stops no step.
  - A notice is late that no channel of the person brought in time. If one is late at the end, the task fails and names
    the people, so that somebody tells them by telephone.
  - Mail is sent by this action, since the module C(community.general.mail) does not verify the server's certificate.
    Webhooks are called by C(ansible.builtin.uri).
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Nothing is sent; C(text) says what would be.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: What was sent is not sent again.
options:
  plan:
    description: The plan's file, or the plan as a mapping. A person is told by his C(email) and by his C(webhook).
    type: raw
    required: true
  smtp:
    description: The mail server. Without it no mail is sent.
    type: dict
    suboptions:
      host:
        description: Its name, as in its certificate.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 465
      secure:
        description:
          - V(always) speaks TLS from the beginning, V(starttls) before anything is said. The certificate is verified.
          - V(never) is for a relay on a network of its own; a password is refused then.
        type: str
        choices: [always, starttls, never]
        default: always
      username:
        description: The account, if the server wants one.
        type: str
        default: ""
      password:
        description: Its password.
        type: str
        default: ""
      sender:
        description: The address that the mail comes from, such as C(Move <move@example.com>).
        type: str
        required: true
      ca_path:
        description: A private authority's certificate, on the controller.
        type: path
        default: ""
      timeout:
        description: Seconds that a mail may take.
        type: int
        default: 20
  webhooks:
    description:
      - Addresses by the names that the plan's people have as C(webhook). Each has C(url), and may have C(headers) and
        C(ca_path) (a private authority's certificate, on the controller).
      - JSON is posted, with C(text), C(subject), C(body), C(language), C(people), C(matter), C(kind), C(stage),
        C(since) and C(id). C(stage) is empty for a licence that is owed.
      - A notice that may have been sent before has the same C(id), which is the header C(Idempotency-Key) too.
    type: dict
    default: {}
  minutes:
    description: For how many minutes to go on, by the plan as it was at the start. V(0) looks once.
    type: float
    default: 0
  every:
    description: Seconds between two looks, of this run or of the timer that starts it.
    type: int
    default: 60
  sizes:
    description: Sizes of the final run where they are known beforehand, as in M(boxlift.portal.move_info).
    type: dict
    default: {}
  journal:
    description:
      - The journal of the run. Without it the file that the callback P(boxlift.portal.journal#callback) is configured
        to write.
    type: path
  records:
    description: The records of a site in operation. Without it C(service.records) beside the journal.
    type: path
  history:
    description: Journals of rehearsals, or folders of them. Without it all journals in the journal's folder.
    type: list
    elements: path
    default: []
seealso:
  - module: boxlift.portal.entitlement_check
  - module: boxlift.portal.incident
  - module: boxlift.portal.move_info
  - module: boxlift.portal.step
"""

EXAMPLES = r"""
- name: Tell the people of the plan what goes on, for twelve hours
  boxlift.portal.notify:
    plan: "{{ migration_plan }}"
    smtp:
      host: mail.example.com
      sender: Move of the portal <move@example.com>
      username: move
      password: "{{ vault_notify_password }}"
    webhooks:
      team:
        url: "{{ vault_notify_webhook }}"
    minutes: 720
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
sent:
  description: What was sent in this run.
  returned: success
  type: list
  elements: dict
  sample:
    - matter: move.fetch@final
      kind: running
      channel: mail
      people: [approver]
      language: de
failures:
  description: The same of what failed, each with its C(reason).
  returned: success
  type: list
  elements: dict
  sample: []
late:
  description: How many notices were late so far, of everybody, those on incidents included.
  returned: when somebody can be told
  type: int
  sample: 0
text:
  description: The figures for people, and who of the plan has no channel.
  returned: success
  type: list
  elements: str
  sample:
    - "Notices: 34 sent, 0 late, 2 attempts of a channel failed."
"""
