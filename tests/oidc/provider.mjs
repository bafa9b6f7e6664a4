// An OpenID Provider (oidc-provider) on 127.0.0.1 whose port and keys come from outside, so that a test can kill it,
// start it again with other keys, and find it at the same address. It keeps everything in memory.
//
//   node provider.mjs keys RS256 kid-1 ES256 kid-2 ...   prints new private keys as a JWK set
//   node provider.mjs serve SETTINGS.json                 {"port", "jwks", "client", "audience"}; prints "ready"
//
// Access tokens are JWTs for the resource `urn:lotagate:ALG`, signed with the first key of ALG; without a resource they
// are opaque. The client uses its own credentials, or the code of a user who signed in: any name does, and becomes `sub`.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';

const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = (namedCurve) => () => generateKeyPairSync('ec', { namedCurve });
const kinds = {
  RS256: rsa, RS384: rsa, RS512: rsa, PS256: rsa, PS384: rsa, PS512: rsa,
  ES256: ec('P-256'), ES384: ec('P-384'), ES512: ec('P-521'),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

function makeKeys(words) {
  const keys = [];
  for (let i = 0; i + 1 < words.length; i += 2) {
    const [alg, kid] = words.slice(i, i + 2);
    keys.push({ ...kinds[alg]().privateKey.export({ format: 'jwk' }), alg, kid, use: 'sig' });
  }
  return { keys };
}

async function serve({ port, jwks, client, audience }) {
  const { default: Provider, errors } = await import('oidc-provider');
  const algorithms = new Set(jwks.keys.map((key) => key.alg));

  function getResourceServerInfo(_context, resource) {
    const alg = resource.replace('urn:lotagate:', '');
    if (!algorithms.has(alg)) throw new errors.InvalidTarget();
    return { scope: 'read', audience, accessTokenFormat: 'jwt', accessTokenTTL: 3600, jwt: { sign: { alg } } };
  }

  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [client],
    jwks,
    cookies: { keys: ['for tests alone'] },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo, useGrantedResource: () => true },
    },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  });
  provider.listen(port, '127.0.0.1', () => console.log('ready'));
}

const [command, ...words] = process.argv.slice(2);
if (command === 'keys') {
  console.log(JSON.stringify(makeKeys(words)));
} else {
  await serve(JSON.parse(readFileSync(words[0], 'utf8')));
}
