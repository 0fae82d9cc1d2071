# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of the portal on one host, before anything is installed.

Read in this order: `run` (`Wish`: what the host is for; runs all checks), `checks` (release, memory, ports, name,
clock), `backup` (`Backup`: how large it is, from its first part or the parts that are here), `disk` (`Need`: what
must fit where), `crm` (the webhooks of cloud and box). `host` (`Host`) reads the kernel's files for them. What the
inventory sets is judged on the controller, by `plugin_utils/preflight`.
"""
