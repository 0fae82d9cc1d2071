<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

/** The files `.settings.php` and `.settings_extra.php`, in /bitrix or, since main 24.100, in /local. */
final class Settings
{
    /** @var array<string, mixed>|null */
    private static ?array $sections = null;

    public static function get(string $section): mixed
    {
        self::$sections ??= self::load();
        return self::$sections[$section]['value'] ?? null;
    }

    /** @return array<string, mixed> */
    private static function load(): array
    {
        $root = $_SERVER['DOCUMENT_ROOT'];
        $sections = null;
        foreach (['/local', '/bitrix'] as $folder) {
            if (is_file("$root$folder/.settings.php")) {
                $sections = include "$root$folder/.settings.php";
                break;
            }
        }
        if (!is_array($sections)) {
            throw new PortalError('The file bitrix/.settings.php is missing or returns no array.');
        }
        foreach (['/bitrix', '/local'] as $folder) {
            if (is_file("$root$folder/.settings_extra.php")) {
                $sections = array_replace($sections, include "$root$folder/.settings_extra.php");
            }
        }
        return $sections;
    }
}
