'use strict';
// A WebSocket server (module `ws`) that does what the path asks for. Prints `listening PORT`, then one JSON line for
// each thing that happened. Every path takes `id`, which its lines carry.
const fs = require('fs');
const http = require('http');
const path = require('path');
globalThis.crypto ??= require('crypto').webcrypto;  // Node 18 does not have it by itself
const {WebSocketServer} = require('ws');
const {Tally, exchange} = require('./ws_exchange.js');

const PAGES = {'/ws_page.html': 'text/html', '/ws_page.js': 'text/javascript', '/ws_exchange.js': 'text/javascript'};
const REFUSALS = {
  '/refuse/403': 'HTTP/1.1 403 Forbidden\r\nX-Reason: no\r\nContent-Length: 6\r\n\r\nnot so',
  '/refuse/426': 'HTTP/1.1 426 Any\r\nUpgrade: other\r\nConnection: upgrade\r\nContent-Length: 5\r\n\r\nother',
};
const held = new Map();  // sockets by id, that another request releases

const report = (line) => process.stdout.write(JSON.stringify(line) + '\n');

function serveHttp(request, response) {
  const {pathname, searchParams} = new URL(request.url, 'http://any');
  if (pathname === '/report') {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      report({page: JSON.parse(Buffer.concat(parts).toString())});
      response.writeHead(204).end();
    });
  } else if (pathname === '/release') {
    held.get(searchParams.get('id')).resume();
    response.end();
  } else if (PAGES[pathname]) {
    response.setHeader('Content-Type', PAGES[pathname]);
    response.end(fs.readFileSync(path.join(__dirname, pathname)));
  } else {
    report({plain: request.url, upgrade: request.headers.upgrade || null});
    response.writeHead(426, {'Content-Type': 'text/plain'}).end('this is for WebSockets');
  }
}

const behaviours = {
  // Whatever comes goes back.
  '/echo': (socket) => socket.on('message', (data, binary) => socket.send(data, {binary})),
  // Both ends send `count` messages; see ws_exchange.js.
  '/exchange': async (socket, id, options) => {
    report({id, ...(await exchange(socket, Number(options.get('seed')), Number(options.get('count'))))});
  },
  // Reads nothing until /release, then everything until the close.
  '/hold': (socket, id) => {
    const received = new Tally();
    socket.on('message', (data, binary) => received.add(binary ? data : data.toString()));
    socket.on('close', async () => report({id, received: await received.sum()}));
    socket.pause();
    held.set(id, socket);
  },
  // Sends `count` messages of 64 KiB, however slowly they are taken.
  '/flood': async (socket, id, options) => {
    const sent = new Tally();
    const message = Buffer.alloc(65536, 'flood');
    for (let i = 0; i < Number(options.get('count')); ++i) {
      sent.add(message);
      await new Promise((resolve) => socket.send(message, resolve));
    }
    report({id, sent: await sent.sum()});
    socket.close();
  },
  '/close': (socket, id, options) => socket.close(Number(options.get('code')), options.get('reason')),
  '/terminate': (socket) => socket.on('message', () => socket.terminate()),
  '/ping': (socket, id) => {
    socket.on('pong', (data) => report({id, pong: data.toString()}));
    socket.ping('from the server');
  },
};

const server = http.createServer(serveHttp);
const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: true,
  handleProtocols: (protocols) => (protocols.has('chat.v2') ? 'chat.v2' : false),
});
server.on('upgrade', (request, stream, head) => {
  const {pathname, searchParams} = new URL(request.url, 'http://any');
  const id = searchParams.get('id');
  if (REFUSALS[pathname]) {
    report({id, refused: pathname});
    stream.end(REFUSALS[pathname]);
    return;
  }
  sockets.handleUpgrade(request, stream, head, (socket) => {
    socket.on('error', (error) => report({id, error: error.message}));
    socket.on('close', (code, reason) => report({id, closed: code, reason: reason.toString()}));
    report({id, opened: pathname, headers: request.headers});
    behaviours[pathname](socket, id, searchParams);
  });
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`listening ${server.address().port}\n`));
