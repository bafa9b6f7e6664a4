'use strict';
// One scenario of a WebSocket client (module `ws`). Usage: ws_client.js ORIGIN SCENARIO [OPTIONS as JSON]. The last
// line holds the result, as JSON; lines before it say how far it has come.
globalThis.crypto ??= require('crypto').webcrypto;  // Node 18 does not have it by itself
const http = require('http');
const WebSocket = require('ws');
const {Tally, exchange, pause} = require('./ws_exchange.js');

const [, , origin, scenario, optionsText] = process.argv;
const options = JSON.parse(optionsText || '{}');
const print = (line) => process.stdout.write(JSON.stringify(line) + '\n');

function connect(target, protocols = [], more = {}) {
  const socket = new WebSocket(origin.replace('http:', 'ws:') + target, protocols, {perMessageDeflate: false, ...more});
  socket.on('error', () => {});  // its close says it, too
  return socket;
}

const opened = (socket) => new Promise((resolve, reject) => {
  socket.once('open', resolve);
  socket.once('error', reject);
});
const closed = (socket) => new Promise((resolve) => {
  socket.once('close', (code, reason) => resolve({code, reason: reason.toString()}));
});
const next = (socket, event) => new Promise((resolve) => socket.once(event, resolve));

function get(target) {
  return new Promise((resolve, reject) => {
    http.get(origin + target, (response) => response.resume().on('end', resolve)).on('error', reject);
  });
}

const scenarios = {
  async exchange() {
    const one = async (id) => {
      const target = `/exchange?id=${id}&seed=${1000 + id}&count=${options.count}`;
      const socket = connect(target, [], {perMessageDeflate: id === 0});
      const sums = await exchange(socket, 2000 + id, options.count);
      const end = closed(socket);
      socket.close(1000, 'enough');
      return {id, ...sums, extensions: socket.extensions, closed: await end};
    };
    return Promise.all(Array.from({length: options.connections}, (_, id) => one(id)));
  },

  // Sends to a server that does not read until nothing moves any more, then lets it read.
  async hold() {
    const socket = connect('/hold?id=hold');
    await opened(socket);
    const sent = new Tally();
    const message = Buffer.alloc(65536, 'hold');
    let written = 0;
    for (let i = 0; i < options.count; ++i) {
      sent.add(message);
      socket.send(message, () => ++written);
    }
    for (let before = -1; before !== written; await pause(500)) before = written;
    print({stalled: written * message.length});
    await get('/release?id=hold');
    const end = closed(socket);
    socket.close();
    return {sent: await sent.sum(), closed: await end};
  },

  // Does not read what the server sends until told to on the standard input, then everything.
  async flood() {
    const socket = connect(`/flood?id=flood&count=${options.count}`);
    const received = new Tally();
    socket.on('message', (data) => received.add(data));
    const end = closed(socket);
    await opened(socket);
    socket.pause();
    print({paused: true});
    await next(process.stdin, 'data');
    socket.resume();
    const how = await end;
    return {received: await received.sum(), closed: how};
  },

  async close() {
    const first = connect('/echo?id=by-client');
    await opened(first);
    let end = closed(first);
    first.close(options.code, options.reason);
    const byClient = await end;
    end = closed(connect(`/close?id=by-server&code=${options.code}&reason=${encodeURIComponent(options.reason)}`));
    return {byClient, byServer: await end};
  },

  async ping() {
    const socket = connect('/ping?id=ping');
    const ping = next(socket, 'ping');
    await opened(socket);
    const pong = next(socket, 'pong');
    socket.ping('from the client');
    const result = {ping: (await ping).toString(), pong: (await pong).toString()};
    await pause(0);  // its own pong to the server goes out first
    socket.close();
    await closed(socket);
    return result;
  },

  async protocol() {
    const more = {perMessageDeflate: true, headers: {'X-Custom': 'é'}};
    const socket = connect('/echo?id=protocol', ['chat.v1', 'chat.v2'], more);
    await opened(socket);
    const answer = next(socket, 'message');
    socket.send('hello '.repeat(1000));
    const echoed = (await answer).toString();
    socket.close();
    return {protocol: socket.protocol, extensions: socket.extensions, echoed: echoed === 'hello '.repeat(1000)};
  },

  async terminated_by_server() {
    const socket = connect('/terminate?id=terminate');
    await opened(socket);
    const end = closed(socket);
    socket.send('now');
    return end;
  },

  async terminates() {
    const socket = connect('/echo?id=terminates');
    await opened(socket);
    socket.send('one');
    await next(socket, 'message');
    socket.terminate();
    return {};
  },

  // Opens, says so, and waits for the end; `pings`: every so many milliseconds.
  async wait() {
    const socket = connect('/echo?id=wait');
    await opened(socket);
    const end = closed(socket);
    print({open: true});
    const pings = options.pings && setInterval(() => socket.ping(), options.pings);
    if (options.then) {
      setTimeout(() => {
        clearInterval(pings);
        socket.once('message', () => socket.close(1000, 'alive'));
        socket.send('still there?');
      }, options.then);
    }
    return end;
  },

  // The answer to a handshake that is refused.
  async refused() {
    const socket = connect(options.target);
    const response = await Promise.race([
      new Promise((resolve) => socket.once('unexpected-response', (_, answer) => resolve(answer))), opened(socket)]);
    let body = '';
    for await (const part of response) body += part;
    return {status: response.statusCode, headers: response.headers, body};
  },
};

scenarios[scenario]().then(
  (result) => process.stdout.write(JSON.stringify({result}) + '\n', () => process.exit(0)),
  (error) => process.stdout.write(JSON.stringify({error: String(error.stack || error)}) + '\n', () => process.exit(1)));
