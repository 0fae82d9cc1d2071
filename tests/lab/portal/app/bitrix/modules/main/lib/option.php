<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

/** Options: of the site, of the portal, of `.settings.php` (push server only), of the module's defaults. */
final class Option
{
    // Never looked up in `.settings.php`.
    private const DATABASE_ONLY =
        '~^(server_mode|enable_protobuf|limit_max_.*|shared_.*|registered_on_shared_server|host_id)$~';

    public static function get(string $module, string $name, ?string $default = null): ?string
    {
        $stored = self::stored($module);
        $found = $stored['site'][SITE_ID][$name] ?? $stored['portal'][strtolower($name)] ?? null;
        if ($found === null && $module === 'pull' && !preg_match(self::DATABASE_ONLY, $name)) {
            $found = Settings::get('pull')[$name] ?? null;
        }
        return $found ?? $default ?? self::moduleDefaults($module)[$name] ?? null;
    }

    public static function set(string $module, string $name, string $value): void
    {
        Database::query(
            'INSERT INTO b_option (MODULE_ID, NAME, VALUE) VALUES (?, ?, ?)
                ON DUPLICATE KEY UPDATE VALUE = VALUES(VALUE)',
            [$module, $name, $value],
        );
    }

    /** @return array{portal: array<string, string>, site: array<string, array<string, string>>} */
    private static function stored(string $module): array
    {
        $ttl = Settings::get('cache_flags')['config_options'] ?? 3600;
        return ManagedCache::get('b_option', "b_option:$module", (int)$ttl, static function () use ($module): array {
            $portal = $site = [];
            foreach (Database::query('SELECT NAME, VALUE FROM b_option WHERE MODULE_ID = ?', [$module]) as $row) {
                $portal[strtolower($row['NAME'])] = $row['VALUE'];
            }
            $rows = Database::query('SELECT SITE_ID, NAME, VALUE FROM b_option_site WHERE MODULE_ID = ?', [$module]);
            foreach ($rows as $row) {
                $site[$row['SITE_ID']][$row['NAME']] = $row['VALUE'];
            }
            return ['portal' => $portal, 'site' => $site];
        });
    }

    /** @return array<string, string> */
    private static function moduleDefaults(string $module): array
    {
        $file = $_SERVER['DOCUMENT_ROOT'] . "/bitrix/modules/$module/default_option.php";
        if (!is_file($file)) {
            return [];
        }
        include $file;
        return ${"{$module}_default_option"} ?? [];
    }
}
