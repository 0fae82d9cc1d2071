<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

/** Installed modules: a row in b_module and a folder on disk; one without the other is a broken hybrid. */
final class Module
{
    public static function isPresent(string $module): bool
    {
        static $rows = null;
        $rows ??= array_column(Database::query('SELECT ID FROM b_module'), 'ID');
        return $module === ''
            || (in_array($module, $rows, true) && is_dir($_SERVER['DOCUMENT_ROOT'] . "/bitrix/modules/$module"));
    }
}
