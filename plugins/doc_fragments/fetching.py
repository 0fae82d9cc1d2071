# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a backup is fetched: the options of backup_fetch and backup_restore."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  mirrors:
    description:
      - Further addresses or paths of the first part. Connections are spread over all of them; only where the first
        source is on a disk, the others wait until it fails. One that fails is left for the others, with a warning. All
        must have the same length of every part, and on one host the same version (ETag or time).
      - Damage that the first source itself has is repaired from a mirror that has it not.
    type: list
    elements: str
    default: []
  expected:
    description:
      - The sha256 of parts as taken at the source, in lines as C(sha256sum) prints them. A part that differs is
        damaged.
    type: list
    elements: str
  manifest:
    description:
      - File for a manifest, written when this run has proven the backup, with the sums of every 4 MiB. It is what
        M(boxlift.portal.backup_verify) compares every later copy with.
    type: path
  connections:
    description: How many ranges are fetched at the same time, each over a connection of its own.
    type: int
    default: 4
  bandwidth_limit:
    description: Bytes per second that all connections together may use. No limit if not given.
    type: int
  bandwidth_schedule:
    description:
      - Windows of the day in the host's local time, in which another limit holds than O(bandwidth_limit). The first
        that fits counts.
    type: list
    elements: dict
    default: []
    suboptions:
      from:
        description: Begin, as V("HH:MM") in quotation marks.
        type: str
        required: true
      to:
        description: End, as V("HH:MM") in quotation marks; past midnight where it is earlier than the begin.
        type: str
        required: true
      limit:
        description: Bytes per second; V(0) is no limit.
        type: int
        required: true
  headers:
    description:
      - Further request headers, such as an authorization. They are not sent on to a host that the source redirects to.
    type: dict
    default: {}
  timeout:
    description: Seconds to wait for the source to answer or to send on.
    type: float
    default: 60
  ca_path:
    description: File or directory of the authorities to trust instead of the system's.
    type: path
  validate_certs:
    description: Whether the source's certificate is verified.
    type: bool
    default: true
"""
