// What X-Container-Sync-To may say and how requests are signed, compared with Swift's own code where it is installed.
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { findPython } from '../test/tools.ts';
import { readSyncTo, type SyncOptions, signedPath } from './sync-realms.ts';
import { sameText, signSync } from './sync-signature.ts';

const PYTHON_MS = 60_000;
const MODULE = 'swift.common.container_sync_realms';
const PYTHON = findPython(MODULE);
/** The reason to skip. */
const MISSING = PYTHON === undefined && `no Python has the module ${MODULE}`;

const OPTIONS: SyncOptions = {
  realms: new Map([
    [
      'US',
      { name: 'us', key: 'k', key2: 'k2', clusters: new Map([['DFW', 'https://dfw.example.com:8443/swift/v1/']]) },
    ],
  ]),
  allowedHosts: ['127.0.0.1', '::1', 'sync.example.com'],
  fullUrls: true,
};

/** Asks Swift's own code; `script` prints JSON. */
function python(script: string, input: unknown): unknown {
  const done = spawnSync(PYTHON as string, ['-c', script], {
    input: JSON.stringify(input),
    timeout: PYTHON_MS,
  });
  if (done.status !== 0) throw new Error(done.stderr.toString());
  return JSON.parse(done.stdout.toString());
}

t.test('addresses', async (t) => {
  const address = (to: string): unknown => {
    const read = readSyncTo(to, OPTIONS);
    return read && 'address' in read ? read.address : read;
  };
  t.same(address('//us/dfw/AUTH_a/c%20d/'), {
    origin: 'https://dfw.example.com:8443',
    path: '/swift/v1/AUTH_a/c%20d',
    realm: { name: 'US', key: 'k' },
  });
  t.same(address('http://127.0.0.1:8080/v1/a/c'), { origin: 'http://127.0.0.1:8080', path: '/v1/a/c' });
  t.same(address('http://[::1]:80/v1/a/c'), { origin: 'http://[::1]', path: '/v1/a/c' });
  t.same(address('HTTPS://SYNC.example.com/v1/a/c//'), { origin: 'https://sync.example.com', path: '/v1/a/c' });
  t.equal(address('//'), undefined);
  t.equal(address(''), undefined);
  for (const [raw, signed] of [
    ['/v1/a/c/plain-._~', '/v1/a/c/plain-._~'],
    ["/v1/a:b/c/(x)!*'%2c%7e", '/v1/a%3Ab/c/%28x%29%21%2A%27%2C~'],
    ['/v1/a/c/%E5%AE%B9 \xe5\xae\xb9%zz', '/v1/a/c/%E5%AE%B9%20%E5%AE%B9%25zz'],
  ] as const) {
    t.equal(signedPath(raw), signed, raw);
    t.equal(signedPath(signed), signed, 'signed as it is sent');
  }
  t.ok(sameText('abc', 'abc'));
  t.notOk(sameText('abc', 'abd'));
  t.notOk(sameText('abc', 'ab'));
});

t.test('signatures as Swift makes them', { skip: MISSING }, async (t) => {
  const script = `
import json, logging, sys
from urllib.parse import quote, unquote
from ${MODULE} import ContainerSyncRealms
realms = ContainerSyncRealms('/nonexistent', logging)
print(json.dumps([realms.get_sig(m, quote(unquote(p, 'latin1'), encoding='latin1'), ts, n, rk, uk)
                  for m, p, ts, n, rk, uk in json.load(sys.stdin)]))`;
  const requests = [
    ['PUT', '/v1/AUTH_a/c/o', '1512345678.12345', 'nonce', 'realm key', 'user key'],
    ['DELETE', '/v1/AUTH_a/c%20d/%C3%A9%2Fx(~)', '0', 'b7', 'clé', 'k'],
    ['HEAD', "/v1/AUTH_a/c/it's/../*", '1512345678.12345_0000000000000001', 'n', 'k', 'u'],
  ] as const;
  const ours = requests.map(([method, path, timestamp, nonce, realm, user]) =>
    signSync({ method, path: signedPath(path), timestamp, nonce }, { realm, user }),
  );
  t.same(ours, python(script, requests));
});

t.test('what is refused, in words of Swift', { skip: MISSING }, async (t) => {
  const script = `
import json, logging, sys, tempfile
from ${MODULE} import ContainerSyncRealms
from swift.common.utils import validate_sync_to
with tempfile.NamedTemporaryFile('w') as conf:
    conf.write('[us]\\nkey = k\\nkey2 = k2\\ncluster_dfw = https://dfw.example.com:8443/swift/v1/\\n')
    conf.flush()
    realms = ContainerSyncRealms(conf.name, logging)
    print(json.dumps([validate_sync_to(to, ['127.0.0.1', '::1', 'sync.example.com'], realms)
                      for to in json.load(sys.stdin)]))`;
  const values = [
    ...['//us/dfw/AUTH_a/c', '//US/DFW/a/c//', '//us/dfw/a', '//us/dfw/a/c/d', '//eu/x/a/c', '//us/x/a/c', '//', ''],
    ...['http://127.0.0.1/v1/a/c', 'https://sync.example.com:8443/v1/a/c/', 'http://[::1]:8080/v1/a/c'],
    ...['http://other/v1/a/c', 'http://127.0.0.1', 'http://127.0.0.1/a?b', 'http://127.0.0.1/a/c#b', 'x', 'x:/y'],
    ...["//it's/x/a/c", '//"/x/a/c', `//'"/x/a/c`, 'http://2130706433/v1/a/c', 'http://OTHER/v1/a/c'],
  ];
  const theirs = python(script, values) as [string | null, string | null][];
  for (const [i, value] of values.entries()) {
    const [error, endpoint] = theirs[i] as [string | null, string | null];
    const read = readSyncTo(value, OPTIONS);
    if (error !== null) t.same(read, { error }, value);
    else if (endpoint === null) t.equal(read, undefined, value);
    else t.equal(read && 'address' in read && read.address.origin + read.address.path, endpoint, value);
  }
});
