<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

/** Which site answers for the host of the request, and what links to it look like. */
final class Site
{
    /** Define SITE_ID and SITE_SERVER_NAME; a site limited to its domains is left out for other hosts. */
    public static function choose(): void
    {
        $sites = ManagedCache::get(
            'b_lang',
            'b_lang',
            self::ttl('CACHED_b_lang'),
            static fn (): array => Database::query(
                "SELECT LID, DOMAIN_LIMITED, SERVER_NAME FROM b_lang WHERE ACTIVE = 'Y' ORDER BY DEF DESC, SORT",
            ),
        );
        foreach ($sites as $site) {
            if (PHP_SAPI !== 'cli' && $site['DOMAIN_LIMITED'] === 'Y' && self::domain($site['LID']) === '') {
                continue;
            }
            define('SITE_ID', $site['LID']);
            define('SITE_SERVER_NAME', $site['SERVER_NAME'] ?? '');
            return;
        }
        throw new PortalError('No site of this portal answers for the host ' . self::requestHost() . '.', status: 503);
    }

    /** The first domain of the site that the request's host ends with; it becomes the domain of cookies. */
    public static function domain(string $site): string
    {
        $domains = ManagedCache::get(
            'b_lang_domain',
            'b_lang_domain',
            self::ttl('CACHED_b_lang_domain'),
            static fn (): array => Database::query('SELECT LID, DOMAIN FROM b_lang_domain ORDER BY LENGTH(DOMAIN)'),
        );
        foreach ($domains as $row) {
            if ($row['LID'] === $site && str_ends_with('.' . self::requestHost(), '.' . $row['DOMAIN'])) {
                return $row['DOMAIN'];
            }
        }
        return '';
    }

    /** Site's server name, else the portal's, else the request's host; on cron there is no request. */
    public static function serverName(): string
    {
        return SITE_SERVER_NAME ?: Option::get('main', 'server_name', '') ?: self::requestHost();
    }

    /** Scheme, host and, unless it is the usual one, the port by which PHP was reached. */
    public static function hostUrl(): string
    {
        $port = (int)($_SERVER['SERVER_PORT'] ?? 0);
        return self::scheme() . '://' . self::serverName() . (in_array($port, [0, 80, 443], true) ? '' : ":$port");
    }

    /** X-Forwarded-Proto is not consulted, as in the vendor's software. */
    public static function isHttps(): bool
    {
        $https = strtolower($_SERVER['HTTPS'] ?? '');
        return ($_SERVER['SERVER_PORT'] ?? '') == 443 || ($https !== '' && $https !== 'off')
            || Settings::get('https_request') === true;
    }

    public static function scheme(): string
    {
        return self::isHttps() ? 'https' : 'http';
    }

    /** Refuse hosts that the security module's list does not name, while its handler is registered. */
    public static function checkHost(): void
    {
        $class = 'Bitrix\\Security\\HostRestriction';
        $handler = Database::query('SELECT 1 FROM b_module_to_module WHERE TO_CLASS IN (?, ?)', [$class, "\\$class"]);
        $allowed = preg_split('~\s+~', Option::get('security', 'restriction_hosts_hosts', ''));
        if ($handler && !in_array(self::requestHost(), $allowed, true)) {
            throw new PortalError('This host is not allowed.', self::requestHost(), 403);
        }
    }

    public static function requestHost(): string
    {
        return strtolower(preg_replace('~:\d+$~', '', $_SERVER['HTTP_HOST'] ?? $_SERVER['SERVER_NAME'] ?? ''));
    }

    private static function ttl(string $constant): int
    {
        return defined($constant) ? (int)constant($constant) : 0;
    }
}
