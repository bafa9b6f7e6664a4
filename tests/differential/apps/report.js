// Says what node's http module made of a request (see readings.py), once the whole body has come.
'use strict';
const crypto = require('crypto');
const http = require('http');

const base64 = (text) => Buffer.from(text, 'latin1').toString('base64');

const server = http.createServer({maxHeaderSize: 65536, keepAliveTimeout: 600000, requestTimeout: 0}, (request, response) => {
  if (request.url === '/early') {
    response.writeHead(202, {'Content-Length': 6});
    response.end('early\n');
    request.resume();
    return;
  }
  const digest = crypto.createHash('sha1');
  let octets = 0;
  request.on('data', (piece) => {
    digest.update(piece);
    octets += piece.length;
  });
  request.on('end', () => {
    const words = [request.method, request.url, request.headers.host || ''].map(base64);
    response.writeHead(200, {'X-Read': [...words, octets, digest.digest('hex')].join('.'), 'Content-Length': 5});
    response.end('read\n');
  });
});
server.maxHeadersCount = 0;
server.listen(Number(process.argv[2]), '127.0.0.1');
