# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CRM of a portal, over its REST.

Read in this order:

1. `answers` (`Answer`, `RestError`, `Unanswered`): what came back, and what it says of the request.
2. `commands` (`Command`): methods with parameters, as PHP reads them from a batch.
3. `stream` (`JsonStream`): an answer, value by value while its bytes arrive. `batches`: that of a batch.
4. `transport` (`Transport`): requests over connections that stay open.
5. `limits` (`Limits`): how long a request has to wait, by what the portal itself has said.
6. `tokens` (`Application`): an application's tokens in their file.
7. `rest` (`Rest`): calls, batches, files. `walk`: lists of any length, by id.

What is kept of it:

1. `kinds` (`Kind`): which records there are, how each is read, and what of it is compared.
2. `sealing` (`Sealer`): encryption of what is kept. `stored_files` (`FileFolder`): contents of files.
3. `store` (`Store`): snapshots, and the versions of each record. `transactions`: how its file is written to.
4. `snapshot` (`refresh`): a portal read into a store; `offline`: the portal's own queue of what happened; `marks`
   (`contradiction`): whether the portal went on from the last snapshot at all.
5. `retention` (`prune`, `forecast`): which snapshots stay, and how large the store becomes.
6. `difference` (`difference`, `history`): what changed, record by record, and what is odd about it.
7. `former_csv`: an export as CSV, with whatever went wrong in it.
8. `options`: the options that modules share, made into a `Rest` and a `Store`.

How records come back, and how they go:

1. `past` (`Past`): the version that is meant, its children, and who referred to it. `present` (`Present`): what stands
   in the portal now.
2. `restore_plan` (`Planner`): what a restore would do, and what speaks against it.
3. `sending` (`Sender`): writes whose lost answers are looked up. `restoring` (`restore`): a plan, carried out.
4. `disk` (`DiskWalk`): files of the drive. `drive_restore` (`DriveFiles`): how they come back.
5. `archiving` (`Archiver`): closed records and old files are stored, proven, and removed once that is confirmed.
6. `quota` (`judge`): what a portal's room can be measured by, and when a threshold will be reached.
7. `keep_options`: what the modules of this part make from their options.

The program `boxlift-crm` is `command`, with `settings` and `nightly` (snapshots every night, alerts, retention).
"""
