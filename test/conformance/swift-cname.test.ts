// Hosts that lead to an account by CNAME records (cname_lookup), with a name server of the test's own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { withConfig } from '../../cli/cluster/config.ts';
import { startCluster } from '../../cli/cluster/start-cluster.ts';
import { startDnsServer } from '../dns-server.ts';
import { SwiftClient } from './swift-rig.ts';

t.setTimeout(60_000);

const CNAMES = {
  'films.example': 'box.auth-test.store.test',
  'www.films.example': 'films.example',
  'one.example': 'two.example',
  'two.example': 'three.example',
  'three.example': 'box.auth-test.store.test',
  'round.example': 'about.example',
  'about.example': 'round.example',
  'away.example': 'somewhere.else.example',
};

t.test('CNAME records', async (t) => {
  const dns = await startDnsServer(CNAMES);
  const data = mkdtempSync(path.join(tmpdir(), 'needletail-cname-'));
  const config = path.join(data, 'needletail.toml');
  const swiftSection = `storage-domains = ["store.test"]\ncname-depth = 2\nnameservers = ["${dns.address}"]`;
  writeFileSync(config, `[swift]\n${swiftSection}\n`);
  const ports = { port: 0, s3Port: 0 };
  const options = { data, config, host: '127.0.0.1', ...ports, processes: 'inline', logLevel: 'silent' } as const;
  const running = await startCluster(withConfig({ ...options, given: new Set(['data', 'port', 's3Port']) }));
  const agent = new http.Agent({ keepAlive: true });
  t.teardown(async () => {
    agent.destroy();
    await running.stop();
    dns.close();
    rmSync(data, { recursive: true, force: true });
  });
  const { swift, alt, reseller } = running.credentials;
  const port = Number(new URL(running.urls.everything).port);
  const server = { host: '127.0.0.1', port, owner: swift, stranger: alt.swift, reseller: reseller?.swift ?? swift };
  const client = new SwiftClient({ ...server, close: async () => {} }, agent);
  await client.login(swift);
  await client.ask('PUT', '/box');
  await client.ask('PUT', '/box/o', { body: 'here' });
  const at = (host: string, what = '/o'): ReturnType<SwiftClient['raw']> =>
    client.raw('GET', what, { headers: { Host: host, 'X-Auth-Token': client.token } });

  t.equal((await at('films.example')).text, 'here');
  t.equal((await at(`Films.Example:${port}`)).text, 'here', 'hosts have no case and may have a port');
  t.equal((await at('www.films.example')).text, 'here', 'a record that leads to another');
  for (const [host, why] of [
    ['one.example', 'more records than are followed'],
    ['round.example', 'records in a circle'],
    ['away.example', 'another domain'],
    ['nobody.example', 'no record'],
  ] as const) {
    const refused = await at(host);
    t.match([refused.status, refused.text], [400, 'Bad domain in host header'], why);
  }
  const asked = dns.questions.length;
  t.equal((await at('films.example')).text, 'here');
  t.equal(dns.questions.length, asked, 'remembered');
  t.equal((await at('127.0.0.1', `${client.base}/box/o`)).text, 'here', 'an address is nobody’s name');
  t.equal((await at('box.auth-test.Store.Test')).text, 'here', 'the storage domain itself');
});
