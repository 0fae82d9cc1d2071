# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An exchange without telephones, and the connector beside it.

events.py      what a real exchange was seen to tell of calls
ami_server.py  a manager interface that tells it, and can be cut off
processes.py   the real connector with the records that it reads, and the simulated portal, each in a process
load.py        as many calls a second as are wanted, and how late the portal hears of them
chaos.py       calls while everything around them is killed, cut or taken away
"""
