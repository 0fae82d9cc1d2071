<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

/** The connection `default` of `.settings.php`. */
final class Database
{
    private static ?self $instance = null;
    private \mysqli $link;

    private function __construct()
    {
        $connection = Settings::get('connections')['default'] ?? null;
        if (!is_array($connection)) {
            throw new PortalError('The file .settings.php has no connection "default".');
        }
        [$host, $port, $socket] = self::address((string)$connection['host']);
        mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
        try {
            $this->link = mysqli_init() ?: throw new PortalError('PHP has no mysqli.');
            $this->link->options(MYSQLI_OPT_CONNECT_TIMEOUT, 5);
            $this->link->real_connect(
                $host,
                $connection['login'],
                $connection['password'],
                $connection['database'],
                $port,
                $socket,
            );
            $this->link->set_charset('utf8mb4');
        } catch (\mysqli_sql_exception $error) {
            throw new PortalError('The portal cannot reach its database.', $error->getMessage());
        }
        $file = $_SERVER['DOCUMENT_ROOT'] . '/bitrix/php_interface/after_connect_d7.php';
        if (is_file($file)) {
            include $file;
        }
    }

    /**
     * @param array<mixed> $values
     * @return list<array<string, mixed>> rows of a query; none for a statement
     */
    public static function query(string $sql, array $values = []): array
    {
        self::$instance ??= new self();
        try {
            $result = self::$instance->link->execute_query($sql, $values);
        } catch (\mysqli_sql_exception $error) {
            throw new PortalError('A database query failed.', $error->getMessage() . " in: $sql");
        }
        return $result instanceof \mysqli_result ? $result->fetch_all(MYSQLI_ASSOC) : [];
    }

    public static function value(string $sql, array $values = []): mixed
    {
        $row = self::query($sql, $values)[0] ?? [];
        return reset($row);
    }

    /** What `after_connect_d7.php` calls on `$this`. */
    public function queryExecute(string $sql): void
    {
        try {
            $this->link->query($sql);
        } catch (\mysqli_sql_exception $error) {
            throw new PortalError('The file after_connect_d7.php failed.', $error->getMessage() . " in: $sql");
        }
    }

    /** @return array{?string, ?int, ?string} host, port and socket of "host", "host:3306" or "localhost:/path" */
    private static function address(string $host): array
    {
        [$name, $rest] = explode(':', $host, 2) + [1 => ''];
        if (str_starts_with($rest, '/')) {
            return ['localhost', null, $rest];
        }
        return [$name, $rest === '' ? null : (int)$rest, null];
    }
}
