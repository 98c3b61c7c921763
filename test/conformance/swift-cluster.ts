/** The Swift API as it is shipped: five zones, real disks, the server that `npm start` runs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { withConfig } from '../../cli/cluster/config.ts';
import { startCluster } from '../../cli/cluster/start-cluster.ts';
import type { SwiftServer } from './swift-rig.ts';

/** `toml`: of the configuration file. */
export async function start(toml = ''): Promise<SwiftServer> {
  const data = mkdtempSync(path.join(tmpdir(), 'needletail-cluster-'));
  const host = '127.0.0.1';
  const config = path.join(data, 'needletail.toml');
  writeFileSync(config, toml);
  const options = { data, config, host, port: 0, s3Port: 0, processes: 'inline', logLevel: 'silent' } as const;
  const running = await startCluster(withConfig({ ...options, given: new Set(['port', 's3Port']) }));
  const { swift, alt, member, reseller } = running.credentials;
  if (!reseller) throw new Error('a new cluster has a reseller');
  return {
    host,
    port: Number(new URL(running.urls.everything).port),
    owner: swift,
    stranger: alt.swift,
    member: member.swift,
    reseller: reseller.swift,
    async close() {
      await running.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
}
