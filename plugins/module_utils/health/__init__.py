# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health checks: questions to a portal, each answered by a finding with the remedy.

Read in this order: `model` (`Check`, and `Verdict`: what a check answers), `registry` (`Registry` and the decorator
`check`), `context` (`Context`: what a check may look at), one file of `checks/`, `runner` (selects the checks, runs
them in parallel, makes findings of their verdicts). `catalogue` imports all checks, `quick` names the cheap ones,
`site_checks` loads those of a site. `connections`, `first_page`, `hardening`, `listening`, `nginx`, `php`,
`push_channel`, `tables` and `users` are what contexts and checks use: the database, the page that a stranger gets,
how the host is protected, its open ports, what nginx does with an address, the web server's PHP, the push server's
protocol, tables that are missing, employees without a password.
"""
