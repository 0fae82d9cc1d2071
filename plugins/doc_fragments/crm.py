# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a portal's CRM is reached, and where its records are kept: the options of the modules crm_*."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  webhook:
    description:
      - Address of an inbound webhook, as the portal shows it, C(https://PORTAL/rest/USER/CODE/). Its owner is an
        administrator, and its scopes are C(crm) and C(user).
    type: str
  ca_file:
    description: File of the authorities to trust beside the system's.
    type: path
  proxy:
    description:
      - Address of the proxy, C(http://HOST:PORT). Without this option it is the one that the environment names;
        an empty text is none.
    type: str
  rate_share:
    description:
      - Part of the portal's limits that may be used, above V(0) up to V(1). People and other tools on this host have
        the rest, so take V(0.5) while people work.
      - Below V(1) the limits are taken for those of the vendor's cloud, 2 requests a second after a first 50. At V(1)
        the portal itself says when it is too much, and a box of one's own usually never does.
    type: float
    default: 1.0
  store:
    description: File of the records that were read, F(*.sqlite), mode 0600. It is made where it is missing.
    type: path
  store_key_file:
    description:
      - File with the key by which the records in O(store) are encrypted, mode 0600. It holds 32 bytes, as they are, in
        hexadecimal or in base64; C(openssl rand -hex 32) makes one. Without it they are not encrypted.
      - Whoever loses the key loses the store. Numbers, times and hashes of records stay readable.
    type: path
"""
