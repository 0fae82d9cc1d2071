<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

/** The name by which scripts load a module. */
final class CModule
{
    public static function IncludeModule(string $module): bool
    {
        if (!Boxlift\Fixture\Module::isPresent($module)) {
            return false;
        }
        $file = $_SERVER['DOCUMENT_ROOT'] . "/bitrix/modules/$module/include.php";
        if ($module !== 'main' && is_file($file)) {
            require_once $file;
        }
        return true;
    }
}
