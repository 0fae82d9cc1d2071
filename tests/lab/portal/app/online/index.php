<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

require $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include/prolog_before.php';
Page::requireLogin();

// Files can be attached only with a push server and a converted disk: without one the paper clip is hidden.
$shared = Option::get('pull', 'server_mode') === 'shared';
$push = $shared ? Option::get('pull', 'registered_on_shared_server') === 'Y' : Option::get('pull', 'nginx') === 'Y';
$files = $push && Module::isPresent('disk') && Option::get('disk', 'successfully_converted', 'N') === 'Y';
$domain = defined('BX24_HOST_NAME') ? constant('BX24_HOST_NAME') : ($_SERVER['SERVER_NAME'] ?? '');
$listener = str_replace('#DOMAIN#', $domain, (string)Option::get('pull', 'path_to_websocket_secure'));
Page::frame('Мессенджер', sprintf(
    '<div data-push="%s" data-files="%s" data-websocket="%s">%s</div>',
    $push ? 'Y' : 'N',
    $files ? 'Y' : 'N',
    Page::text($listener),
    $files ? '<button>Прикрепить файл</button>' : 'Файлы недоступны: сервер очередей выключен.',
));
