# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several web hosts of one portal: agents on one of them, code from the lead, what each host says of itself.

Read `settings` (who is who), `lease` (the row in the portal's database that lets one host run the agents), `agents` (a
run of them that ends with the lease), `code` (brought from the lead), `share` (what all hosts must see), `hosts` (what
each host says of itself, in the portal's database), and `command`: the program `boxlift-web`.
"""
