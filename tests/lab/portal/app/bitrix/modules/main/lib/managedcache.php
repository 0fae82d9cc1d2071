<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

/** Results of queries, kept in files or in Redis as the section `cache` says; any other engine means no cache. */
final class ManagedCache
{
    private static ?\Redis $redis = null;

    public static function get(string $folder, string $id, int $ttl, callable $read): mixed
    {
        $settings = Settings::get('cache') ?? ['type' => 'files'];
        $type = $settings['type'] ?? 'files';
        $type = strtolower(is_array($type) ? $type['class_name'] : $type);
        if ($ttl > 0 && str_ends_with($type, 'files')) {
            return self::fromFile($folder, $id, $ttl, $read);
        }
        if ($ttl > 0 && str_ends_with($type, 'redis') && class_exists(\Redis::class)) {
            return self::fromRedis($settings, "$folder:$id", $ttl, $read);
        }
        return $read();
    }

    private static function fromFile(string $folder, string $id, int $ttl, callable $read): mixed
    {
        $path = $_SERVER['DOCUMENT_ROOT'] . "/bitrix/managed_cache/MYSQL/$folder/" . md5($id) . '.php';
        $text = is_file($path) && filemtime($path) > time() - $ttl ? file_get_contents($path) : false;
        if ($text !== false) {
            return json_decode(substr($text, strpos($text, "\n") + 1), true);
        }
        $value = $read();
        if (is_dir(dirname($path)) || @mkdir(dirname($path), 0755, true)) {
            @file_put_contents($path, "<?php exit; ?>\n" . json_encode($value), LOCK_EX);
        }
        return $value;
    }

    /** @param array<string, mixed> $settings */
    private static function fromRedis(array $settings, string $key, int $ttl, callable $read): mixed
    {
        $key = ($settings['sid'] ?? 'portal') . ":$key";
        try {
            self::$redis ??= self::connect($settings['redis'] ?? []);
            $text = self::$redis->get($key);
            if ($text === false) {
                $text = json_encode($read());
                self::$redis->setex($key, $ttl, $text);
            }
            return json_decode($text, true);
        } catch (\RedisException $error) {
            error_log('portal: the cache is out of reach: ' . $error->getMessage());
            return $read();
        }
    }

    /** @param array<string, mixed> $server */
    private static function connect(array $server): \Redis
    {
        $redis = new \Redis();
        $redis->connect($server['host'] ?? '127.0.0.1', (int)($server['port'] ?? 6379), 2.0);
        if (isset($server['password'])) {
            $redis->auth($server['password']);
        }
        return $redis;
    }
}
