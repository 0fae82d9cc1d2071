// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
'use strict';
// Where messages pass from publishers to subscribers: through Redis between processes, or in the memory of one.

const message = require('./message.js');
const { Redis } = require('./redis.js');

const MESSAGES_KEPT = 100;
const TOPIC = 'push:published';

// Who listens in this process.
class Listeners {
  constructor() {
    this.byChannel = new Map();
  }

  add(ids, listener) {
    ids.forEach((id) => this.byChannel.set(id, (this.byChannel.get(id) || new Set()).add(listener)));
  }

  remove(ids, listener) {
    for (const id of ids) {
      const those = this.byChannel.get(id);
      if (those && those.delete(listener) && those.size === 0) {
        this.byChannel.delete(id);
      }
    }
  }

  // A client that listens to several of the channels hears it once.
  deliver(ids, published) {
    const those = new Set(ids.flatMap((id) => [...(this.byChannel.get(id) || [])]));
    those.forEach((listener) => listener(published));
  }
}

class MemoryStorage {
  constructor(options) {
    this.options = options;
    this.listeners = new Listeners();
    this.number = 0;
    this.kept = new Map();
    this.processes = new Map();
  }

  async publish(ids, text, lifetime) {
    this.number += 1;
    const published = message.make(this.number, text, lifetime || this.options.messageTTL);
    ids.forEach((id) => this.kept.set(id, [...(this.kept.get(id) || []), published].slice(-MESSAGES_KEPT)));
    this.listeners.deliver(ids, published);
  }

  async since(ids, mid) {
    return message.newer(ids.flatMap((id) => this.kept.get(id) || []), mid);
  }

  async join(ids, listener) {
    this.listeners.add(ids, listener);
  }

  async leave(ids, listener) {
    this.listeners.remove(ids, listener);
  }

  async online(ids) {
    return ids.map((id) => (this.listeners.byChannel.get(id) || new Set()).size);
  }

  async report(name, state) {
    this.processes.set(name, state);
  }

  async reports() {
    return [...this.processes.values()];
  }
}

class RedisStorage {
  constructor(options) {
    this.options = options;
    this.listeners = new Listeners();
    const target = options.socket ? { path: options.socket } : { host: options.host, port: options.port };
    this.commands = new Redis(target);
    this.subscribed = new Redis(target);
    this.subscribed.on('connected', () => this.subscribed.call('SUBSCRIBE', TOPIC).catch(console.error));
    this.subscribed.on('message', (text) => {
      const { ids, published } = JSON.parse(text);
      this.listeners.deliver(ids, published);
    });
    // Whoever stays longer than the counters live must go on being counted.
    setInterval(() => this.keepOnline().catch(console.error), options.onlineDelta * 1000).unref();
  }

  async publish(ids, text, lifetime) {
    const number = await this.commands.call('INCR', 'push:number');
    const published = message.make(number, text, lifetime || this.options.messageTTL);
    for (const id of ids) {
      await this.commands.call('RPUSH', `push:messages:${id}`, JSON.stringify(published));
      await this.commands.call('LTRIM', `push:messages:${id}`, -MESSAGES_KEPT, -1);
      await this.commands.call('EXPIRE', `push:messages:${id}`, this.options.messageTTL);
    }
    await this.commands.call('PUBLISH', TOPIC, JSON.stringify({ ids, published }));
  }

  async since(ids, mid) {
    const kept = [];
    for (const id of ids) {
      kept.push(...(await this.commands.call('LRANGE', `push:messages:${id}`, 0, -1)));
    }
    return message.newer(kept.map((text) => JSON.parse(text)), mid);
  }

  async join(ids, listener) {
    this.listeners.add(ids, listener);
    for (const id of ids) {
      await this.commands.call('INCR', `push:online:${id}`);
      await this.commands.call('EXPIRE', `push:online:${id}`, this.options.onlineTTL);
    }
  }

  async leave(ids, listener) {
    this.listeners.remove(ids, listener);
    for (const id of ids) {
      if ((await this.commands.call('DECR', `push:online:${id}`)) <= 0) {
        await this.commands.call('DEL', `push:online:${id}`);
      }
    }
  }

  async keepOnline() {
    for (const id of this.listeners.byChannel.keys()) {
      await this.commands.call('EXPIRE', `push:online:${id}`, this.options.onlineTTL);
    }
  }

  async online(ids) {
    const counts = [];
    for (const id of ids) {
      counts.push(Number(await this.commands.call('GET', `push:online:${id}`)));
    }
    return counts;
  }

  async report(name, state) {
    await this.commands.call('SET', `push:process:${name}`, JSON.stringify(state), 'EX', 30);
  }

  async reports() {
    const names = await this.commands.call('KEYS', 'push:process:*');
    const states = names.length > 0 ? await this.commands.call('MGET', ...names.sort()) : [];
    return states.filter((state) => state !== null).map((state) => JSON.parse(state));
  }
}

function open(options) {
  const defaults = { messageTTL: 86400, onlineTTL: 120, onlineDelta: 10, host: '127.0.0.1', port: 6379 };
  return new (options.type === 'redis' ? RedisStorage : MemoryStorage)({ ...defaults, ...options });
}

module.exports = { open };
