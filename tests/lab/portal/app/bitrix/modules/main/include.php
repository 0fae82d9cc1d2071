<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

spl_autoload_register(static function (string $class): void {
    $file = __DIR__ . '/lib/' . strtolower(substr($class, strlen(__NAMESPACE__) + 1)) . '.php';
    if (str_starts_with($class, __NAMESPACE__ . '\\') && is_file($file)) {
        require $file;
    }
});
require __DIR__ . '/classes/general/version.php';
require __DIR__ . '/classes/general/module.php';

set_exception_handler(PortalError::show(...));
Site::choose();
if (PHP_SAPI !== 'cli') {
    Site::checkHost();
    Session::start();
    Page::sendHeaders();
    register_shutdown_function(static function (): void {
        Agents::run();
        MailQueue::run();
    });
}
