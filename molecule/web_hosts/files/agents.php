// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Each run of the agents takes a while here, and is noted.
$run = bin2hex(random_bytes(8));
Database::query('INSERT INTO lab_agents (run, host, began) VALUES (?, ?, NOW(6))', [$run, gethostname()]);
usleep(8_000_000);
Database::query('UPDATE lab_agents SET ended = NOW(6) WHERE run = ?', [$run]);
