'use strict';
// Sends planned requests with Node's built-in fetch, or with undici's own interface (pipelined where that is safe).
// Usage: node_client.js fetch|undici PLAN; results on stdout, one JSON line each.
const fs = require('fs');
const {Readable} = require('stream');
globalThis.crypto ??= require('crypto').webcrypto;  // Node 18 does not have it by itself
const {bodyOf, piecesOf, fetchCase, sha256, performAll} = require('./fetch_case.js');

const PARALLEL = 8;
const [, , client, planPath] = process.argv;
const plan = JSON.parse(fs.readFileSync(planPath, 'utf8'));
const origin = `http://127.0.0.1:${plan.port}`;

function undiciPerform() {
  const {Pool} = require('undici');
  const pool = new Pool(origin, {connections: 3, pipelining: 4});
  return async (case_) => {
    const headers = case_.fields.flat();
    let body = null;
    if (case_.body) {
      body = bodyOf(case_);
      if (case_.options.pieces) body = Readable.from(piecesOf(body, case_.options.pieces));
    }
    const response = await pool.request({path: case_.target, method: case_.method, headers, body});
    const bytes = await response.body.arrayBuffer();
    const lines = ([name, value]) => [value].flat().map((one) => [name, one]);
    const fields = Object.entries(response.headers).flatMap(lines);
    return {status: response.statusCode, fields, size: bytes.byteLength, sha256: await sha256(bytes)};
  };
}

const perform = client === 'undici' ? undiciPerform() : (case_) => fetchCase(origin, case_);
const report = (result) => process.stdout.write(JSON.stringify(result) + '\n');
performAll(plan.cases, PARALLEL, perform, report).then(() => process.stdout.write('', () => process.exit(0)));
