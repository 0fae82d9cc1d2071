<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

/** Background jobs. The jobs of this fixture do nothing; when they run, and who runs them, is as in the portal. */
final class Agents
{
    /** With agents on cron, visits run the periodic ones and cron the others; without, visits run all. */
    public static function run(): int
    {
        if (defined('NO_AGENT_CHECK') || Option::get('main', 'check_agents', 'Y') !== 'Y') {
            return 0;
        }
        $period = self::onCron() ? "AND IS_PERIOD = '" . (defined('BX_CRONTAB') ? 'N' : 'Y') . "'" : '';
        if (!Database::value("SELECT GET_LOCK(CONCAT(DATABASE(), '_agent'), 0)")) {
            return 0;
        }
        $due = Database::query(
            "SELECT ID, MODULE_ID, NAME, IS_PERIOD FROM b_agent WHERE ACTIVE = 'Y' AND NEXT_EXEC <= NOW() $period
                AND (RUNNING = 'N' OR DATE_CHECK < NOW()) ORDER BY SORT, ID",
        );
        $done = 0;
        foreach ($due as $agent) {
            if (Module::isPresent((string)$agent['MODULE_ID'])) {
                self::runOne($agent);
                $done++;
            }
        }
        Database::query("DO RELEASE_LOCK(CONCAT(DATABASE(), '_agent'))");
        return $done;
    }

    public static function onCron(): bool
    {
        return (defined('BX_CRONTAB_SUPPORT') && constant('BX_CRONTAB_SUPPORT'))
            || Option::get('main', 'agents_use_crontab', 'N') === 'Y';
    }

    /** @param array<string, mixed> $agent */
    private static function runOne(array $agent): void
    {
        Database::query(
            "UPDATE b_agent SET RUNNING = 'Y', DATE_CHECK = DATE_ADD(NOW(), INTERVAL 600 SECOND) WHERE ID = ?",
            [$agent['ID']],
        );
        // A periodic job keeps its rhythm, another waits its interval from now on.
        $base = $agent['IS_PERIOD'] === 'Y' ? 'NEXT_EXEC' : 'NOW()';
        Database::query(
            "UPDATE b_agent SET RUNNING = 'N', RETRY_COUNT = 0, DATE_CHECK = NULL, LAST_EXEC = NOW(),
                NEXT_EXEC = GREATEST(DATE_ADD($base, INTERVAL AGENT_INTERVAL SECOND), NOW()) WHERE ID = ?",
            [$agent['ID']],
        );
    }
}
