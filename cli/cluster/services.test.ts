// What a process may run, and what it is told when that cannot be.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { checkCloudFiles } from './cloud.ts';
import { withConfig } from './config.ts';
import { SERVICES, wrongVolumeHostKey } from './services.ts';

const START = {
  data: 'nowhere',
  host: '127.0.0.1',
  port: 0,
  s3Port: 0,
  processes: 'inline',
  logLevel: 'silent',
} as const;

function configured(t: Test, ...lines: readonly string[]) {
  const file = path.join(t.testdirName, 'needletail.toml');
  t.testdir({ 'needletail.toml': lines.join('\n') });
  return withConfig({ ...START, config: file, given: new Set() });
}

const HOST = '[[volume-hosts]]\nlink = "b.json"';
const ELSEWHERE = 'volumes-auth-url = "http://192.0.2.1/auth/v1.0"';

t.test('what is there by default', async (t) => {
  t.same(withConfig({ ...START, given: new Set() }).services, SERVICES);
  t.same(configured(t, 'identity-link = "i.json"').services, ['store', 'cinder', 'volumes'], 'no identity of its own');
});

t.test('each alone', async (t) => {
  for (const lines of [
    ['services = ["store"]'],
    ['services = ["store"]', 'identity-link = "i.json"'],
    ['services = ["identity"]', 'identity-listen = "192.0.2.1:7000"'],
    ['services = ["volumes"]', 'volumes-listen = "192.0.2.1:7001"', ELSEWHERE],
    ['services = ["cinder"]', 'identity-link = "i.json"', HOST],
  ])
    t.same(configured(t, ...lines).services.length, 1, lines.join(' '));
  const { volumeHosts, volumeZone } = configured(t, 'volume-zone = "east"', HOST, 'zone = "west"', 'backend = "ssd"');
  t.same([volumeZone, volumeHosts], ['east', [{ link: 'b.json', zone: 'west', backend: 'ssd' }]]);
});

t.test('what cannot be', async (t) => {
  for (const [lines, message] of [
    [['services = []'], /"services" has a value it cannot have/],
    [['services = ["stores"]'], /"services" has a value it cannot have/],
    [['services = ["store", "identity"]', 'identity-link = "i.json"'], /identity is .* behind identity-link/],
    [['services = ["store"]', 'identity-listen = "192.0.2.1:7000"'], /identity-listen needs the service identity/],
    [['services = ["store", "cinder", "volumes"]'], /cinder needs identity/],
    [['services = ["identity", "cinder"]'], /cinder needs hosts/],
    [['services = ["store"]', HOST], /volume-hosts needs the service cinder/],
    [['services = ["volumes"]'], /volumes needs an object store/],
    [['services = ["store"]', 'volumes-listen = "192.0.2.1:7001"'], /volumes-listen needs the service volumes/],
    [['volume-zone = "a b"'], /"volume-zone" has a value it cannot have/],
    [['[[volume-hosts]]', 'zone = "west"'], /"volume-hosts.link" cannot be/],
  ] as const)
    t.throws(() => configured(t, ...lines), { code: 'BadConfig', message }, lines.join(' '));
  t.equal(wrongVolumeHostKey({}), 'volume-hosts');
  t.equal(wrongVolumeHostKey([{ link: 'b.json', toString: 'x' }]), 'volume-hosts.toString');
});

t.test('links', async (t) => {
  const link = { version: 1, host: '192.0.2.2', port: 7001, clusterId: 'c', secret: '00', volumeHost: 'h' };
  const config = configured(t, 'services = ["cinder"]', 'identity-link = "i.json"', HOST);
  const file = path.join(t.testdirName, 'link.json');
  const check = (content: string, hosts = 1) => {
    writeFileSync(file, content);
    const volumeHosts = Array.from({ length: hosts }, () => ({ link: file }));
    const { identityLink: _, ...rest } = config;
    return checkCloudFiles({ ...rest, volumeHosts });
  };
  await check(JSON.stringify(link));
  for (const [content, message] of [
    ['{', /cannot be read/],
    [JSON.stringify({ ...link, version: 2 }), /has version 2, which is not known/],
    [JSON.stringify({ ...link, volumeHost: undefined }), /is not complete/],
  ] as const)
    await t.rejects(check(content), { code: 'BadConfig', message }, content);
  await t.rejects(check(JSON.stringify(link), 2), { code: 'BadConfig', message: /is there twice/ });
  await t.rejects(checkCloudFiles(config), { code: 'BadConfig', message: /^identity-link: i.json cannot be read/ });
});
