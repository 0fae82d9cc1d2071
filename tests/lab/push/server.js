// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
'use strict';
// A stand-in for the vendor's push server, which cannot be shipped: the same configuration, addresses and answers.
// usage: node server.js --config FILE

const fs = require('node:fs');
const http = require('node:http');

const { parse, isSigned, isPublicSignature } = require('./channel.js');
const { render } = require('./message.js');
const storages = require('./storage.js');
const websocket = require('./websocket.js');

const POLL_SECONDS = 40;
const PING_SECONDS = 120;
const REPORT_SECONDS = 5;
const NO_MESSAGE = '0'.repeat(26);
const WRONG_CHANNEL = '4010: Wrong Channel Id.';
const CORS = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Methods': 'GET, POST, OPTIONS' };

const file = process.argv[process.argv.indexOf('--config') + 1];
const config = JSON.parse(fs.readFileSync(file, 'utf8'));
const security = { key: '', algo: 'sha1', ...config.security };
const limits = {
  maxPayload: 1048576,
  maxMessagesPerRequest: 100,
  maxChannelsPerRequest: 100,
  ...config.limits,
};
const name = config.processUniqueId || `process-${process.pid}`;
const storage = storages.open(config.storage || { type: 'memory' });
let connections = 0;

function answer(response, status, body = '', headers = {}) {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers });
  response.end(body);
}

function answerJson(response, value) {
  answer(response, 200, JSON.stringify(value), { 'Content-Type': 'application/json' });
}

// The body, or null where it is too large; all of it is read, so that the client gets to the answer.
async function bodyOf(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size <= limits.maxPayload) {
      parts.push(part);
    }
  }
  return size > limits.maxPayload ? null : Buffer.concat(parts).toString('utf8');
}

// What a client may listen to: every channel it names, if all are signed. Its public id is a channel as well.
function listened(query) {
  const channels = parse(query.get('CHANNEL_ID'), limits);
  if (channels === null || channels.length === 0 || !channels.every((channel) => isSigned(channel, security))) {
    return null;
  }
  return channels.flatMap(({ id, publicId }) => (publicId ? [id, publicId] : [id]));
}

async function listen(ids, listener, ended) {
  connections += 1;
  ended(() => {
    connections -= 1;
    storage.leave(ids, listener).catch((problem) => console.error(problem.message));
  });
  await storage.join(ids, listener);
}

async function poll(request, response, query) {
  if (request.method === 'OPTIONS') {
    answer(response, 200, '', CORS);
    return;
  }
  const ids = listened(query);
  if (ids === null) {
    answer(response, 400, WRONG_CHANNEL, CORS);
    return;
  }
  const [mid, asJson] = [query.get('mid'), query.get('format') === 'json'];
  const give = (messages) => {
    if (!response.writableEnded) {
      answer(response, 200, render(messages, asJson), { ...CORS, 'Last-Message-Id': messages.at(-1).mid });
    }
  };
  const timer = setTimeout(() => {
    answer(response, 304, '', { ...CORS, 'Last-Message-Id': mid || NO_MESSAGE });
  }, POLL_SECONDS * 1000);
  response.on('close', () => clearTimeout(timer));
  await listen(ids, (message) => give([message]), (end) => response.on('close', end));
  const missed = mid ? await storage.since(ids, mid) : [];
  if (missed.length > 0) {
    give(missed);
  }
}

async function upgrade(request, socket, head, query) {
  const ids = listened(query);
  if (ids === null) {
    websocket.refuse(socket, '400 Bad Request', 'Wrong Channel Id.');
    return;
  }
  const [mid, asJson] = [query.get('mid'), query.get('format') === 'json'];
  const send = websocket.accept(request, socket, head, PING_SECONDS);
  await listen(ids, (message) => send(render([message], asJson)), (end) => socket.on('close', end));
  const missed = mid ? await storage.since(ids, mid) : [];
  if (missed.length > 0) {
    send(render(missed, asJson));
  }
}

// Many messages and questions in one request. Who is not trusted sends to public ids, each with its signature.
async function batch(response, text, trusted) {
  const responses = [];
  for (const { incomingMessages, channelStats, serverStats } of JSON.parse(text).requests) {
    const messages = (incomingMessages && incomingMessages.messages) || [];
    if (messages.length > limits.maxMessagesPerRequest) {
      answer(response, 400, '4013: Too many messages.');
      return;
    }
    for (const { receivers, body, expiry } of messages) {
      const allowed = ({ id, isPrivate, signature }) => !isPrivate && isPublicSignature(id, signature, security);
      if (!trusted && !receivers.every(allowed)) {
        answer(response, 400, '4018: Wrong receiver.');
        return;
      }
      await storage.publish(receivers.map(({ id }) => id), body, expiry);
    }
    if (channelStats) {
      const counts = await storage.online(channelStats.channels.map(({ id }) => id));
      const channels = channelStats.channels.map((channel, index) => ({ ...channel, isOnline: counts[index] > 0 }));
      responses.push({ channelStats: { channels } });
    }
    if (serverStats) {
      responses.push({ serverStats: { json: JSON.stringify(await storage.reports()) } });
    }
  }
  answerJson(response, { responses });
}

// From the portal itself, through a port that only it reaches: nothing is signed.
async function publish(request, response, query) {
  const channels = parse(query.get('CHANNEL_ID'), limits);
  if (channels === null) {
    answer(response, 400, 'Channel id is not correct.');
    return;
  }
  const ids = channels.map(({ id }) => id);
  if (request.method === 'GET') {
    const counts = await storage.online(ids);
    answerJson(response, { infos: ids.map((id, index) => ({ channel: id, subscribers: counts[index] })) });
    return;
  }
  const text = await bodyOf(request);
  if (text === null) {
    answer(response, 413);
  } else if (ids.length === 0 && (request.headers['content-type'] || '').startsWith('application/json')) {
    await batch(response, text, true);
  } else if (ids.length === 0) {
    answer(response, 400, 'No channel id provided.');
  } else {
    await storage.publish(ids, text, Number(request.headers['message-expiry']) || 0);
    answer(response, 200);
  }
}

// From a browser.
async function publishFromOutside(request, response, query) {
  const channels = parse(query.get('CHANNEL_ID'), limits);
  const sender = channels && channels.length === 1 ? channels[0] : null;
  if (sender === null || !isSigned(sender, security)) {
    answer(response, 400, WRONG_CHANNEL);
  } else if (!sender.publicId) {
    answer(response, 400, '4012: No public channel id.');
  } else {
    const text = await bodyOf(request);
    await (text === null ? answer(response, 413) : batch(response, text, false));
  }
}

async function statistics(request, response) {
  await report();
  answerJson(response, await storage.reports());
}

function report() {
  const state = { pid: process.pid, date: new Date().toISOString(), name, connections, uptime: process.uptime() };
  return storage.report(name, state);
}

const HANDLERS = { sub: poll, pub: publish, rest: publishFromOutside, stat: statistics };

function handlerOf(server, path) {
  const found = Object.entries(server.routes).find(([, prefix]) => path.startsWith(prefix));
  return found && HANDLERS[found[0]];
}

for (const server of config.servers) {
  const locate = (request) => {
    const url = new URL(request.url, 'http://push');
    return { handler: handlerOf(server, url.pathname), query: url.searchParams };
  };
  const web = http.createServer((request, response) => {
    const { handler, query } = locate(request);
    if (!handler) {
      answer(response, 404);
      return;
    }
    handler(request, response, query).catch((problem) => {
      console.error(problem.message);
      answer(response, problem instanceof SyntaxError ? 400 : 503);
    });
  });
  web.on('upgrade', (request, socket, head) => {
    const { handler, query } = locate(request);
    if (handler !== poll) {
      websocket.refuse(socket, '404 Not Found', '');
      return;
    }
    upgrade(request, socket, head, query).catch((problem) => {
      console.error(problem.message);
      socket.destroy();
    });
  });
  web.on('error', (problem) => {
    console.error(`${server.name}: ${problem.message}`);
    process.exit(1);
  });
  web.listen({ port: server.port, host: server.hostname || '127.0.0.1', backlog: server.backlog || 511 }, () => {
    console.log(`${server.name} listens on ${web.address().address}:${web.address().port}`);
  });
}

setTimeout(() => report().catch((problem) => console.error(problem.message)), 300);
setInterval(() => report().catch((problem) => console.error(problem.message)), REPORT_SECONDS * 1000);
process.on('SIGTERM', () => process.exit(0));
