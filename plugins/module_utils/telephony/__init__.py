# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange's calls become call facts in the portal: none is lost, none is told twice.

Read in this order:

1. `call_fact` (`CallFact`, `Exchange`): what the portal is told of a call; the exchange's own names.
2. `calls` (`CallTracker`): events of AMI → facts, while calls go on. `cdr` (`fact_of`): the same from the exchange's
   records, for what no event told of, which `cdr_file` reads.
3. `store` (`Store`): each fact on the disk before the portal hears of it, and how far it has come.
4. `portal` (`Portal`): the portal's REST; its errors as classes that say what to do.
5. `sender` (`Sender`): takes each call its next step, and looks in the portal's statistics before it repeats one.
   `recording`: whether a recording is complete.
6. `service` (`Connector`): all of it at work. `ami` brings the events; `rest` carries requests; `backfill` finds what
   was missed, and `reconcile` proves a day; `cards` puts calls on screens; `clicks` makes calls for the portal.
7. `command` (`main`): the command line. `settings` reads the file that role call_connector writes; `web` listens,
   `metrics` and `logs` tell people.
"""
