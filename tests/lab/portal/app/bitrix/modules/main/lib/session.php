<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

/** The PHP session as the sections `session` and `cookies` of `.settings.php` want it. */
final class Session
{
    public static function start(): void
    {
        $settings = Settings::get('session') ?? [];
        self::checkMode($settings);
        self::useHandler($settings['handlers']['general'] ?? 'file');
        session_set_cookie_params(self::cookieOptions());
        $problem = '';
        set_error_handler(static function (int $level, string $text) use (&$problem): bool {
            $problem = $text;
            return true;
        });
        $started = session_start();
        restore_error_handler();
        if ((!$started || $problem !== '') && !($settings['ignoreSessionStartErrors'] ?? false)) {
            throw new PortalError('The portal cannot reach its session storage.', $problem);
        }
        self::dropForeign();
    }

    /** @return array{domain: string, secure: bool, httponly: bool, samesite?: string, path: string} */
    public static function cookieOptions(): array
    {
        $cookies = Settings::get('cookies') ?? [];
        $options = [
            'path' => '/',
            'domain' => Site::domain(SITE_ID),
            'secure' => (bool)($cookies['secure'] ?? false),
            'httponly' => (bool)($cookies['http_only'] ?? true),
        ];
        return isset($cookies['samesite']) ? [...$options, 'samesite' => $cookies['samesite']] : $options;
    }

    public static function setCookie(string $name, string $value): void
    {
        $prefix = Option::get('main', 'cookie_name', 'BITRIX_SM');
        setcookie("{$prefix}_$name", $value, [...self::cookieOptions(), 'expires' => time() + 30 * 86400]);
    }

    /** @param array<string, mixed> $settings */
    private static function checkMode(array $settings): void
    {
        if (($settings['mode'] ?? 'default') !== 'separated') {
            return;
        }
        if (($settings['handlers']['kernel'] ?? '') !== 'encrypted_cookies') {
            throw new PortalError('The session mode "separated" needs handlers.kernel = "encrypted_cookies".');
        }
        if (empty(Settings::get('crypto')['crypto_key'])) {
            throw new PortalError('There is no crypto[crypto_key] in .settings.php. Generate it.');
        }
    }

    /** @param string|array<string, mixed> $handler */
    private static function useHandler(string|array $handler): void
    {
        $type = is_array($handler) ? $handler['type'] : $handler;
        if ($type === 'redis' && extension_loaded('redis')) {
            $server = $handler['servers'][0] ?? $handler;
            $host = $server['host'] ?? '127.0.0.1';
            $port = $server['port'] ?? 6379;
            ini_set('session.save_handler', 'redis');
            $place = str_starts_with($host, '/') ? "unix://$host" : "tcp://$host:$port";
            $login = isset($server['password']) ? '&auth=' . urlencode($server['password']) : '';
            ini_set('session.save_path', "$place?timeout=2$login");
        } elseif ($type !== 'file') {
            throw new PortalError('The portal cannot reach its session storage.', "no handler for sessions in $type");
        }
    }

    /** A session of another portal (the sign differs) or from another network (the group's policy) ends. */
    private static function dropForeign(): void
    {
        $unique = Option::get('main', 'server_uniq_id');
        if (!$unique) {
            Option::set('main', 'server_uniq_id', $unique = bin2hex(random_bytes(16)));
        }
        $sign = md5("nobody{$unique}nowhere");
        $address = $_SERVER['REMOTE_ADDR'] ?? '';
        $mask = $_SESSION['SESSION_IP_MASK'] ?? '';
        $moved = $mask !== '' && $address !== ''
            && (ip2long($address) & ip2long($mask)) !== (ip2long($_SESSION['SESS_IP']) & ip2long($mask));
        if (($_SESSION['BX_SESSION_SIGN'] ?? $sign) !== $sign || $moved) {
            $_SESSION = [];
        }
        $_SESSION['BX_SESSION_SIGN'] = $sign;
        $_SESSION['SESS_IP'] ??= $address;
    }
}
