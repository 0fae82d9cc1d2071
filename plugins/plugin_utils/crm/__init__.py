# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the CRM's modules have found on their hosts, as pages made on the controller.

`transfer_page` with `transfer.html.j2` is the page of a transfer, from the file that `crm_transfer` writes.
`difference_page` with `difference.html.j2` is the page of what changed in a CRM, and with `history.html.j2` that of one
record, from what `crm_diff` returns.
"""
