/** The S3 API as it is shipped: five zones, real disks, the server that `npm start` runs, S3 on its own listener. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { withConfig } from '../../cli/cluster/config.ts';
import { startCluster } from '../../cli/cluster/start-cluster.ts';
import type { Certificate, S3Server } from './s3-rig.ts';

export async function start(tls: Certificate | undefined): Promise<S3Server> {
  const data = mkdtempSync(path.join(tmpdir(), 'needletail-cluster-'));
  const host = '127.0.0.1';
  const certificate = tls === undefined ? {} : { tlsCert: tls.certFile, tlsKey: tls.keyFile };
  const options = { data, host, port: 0, s3Port: 0, processes: 'inline', logLevel: 'silent', ...certificate } as const;
  const running = await startCluster(withConfig({ ...options, given: new Set(['port', 's3Port']) }));
  const { s3, alt, member } = running.credentials;
  return {
    host,
    port: Number(new URL(running.urls.s3).port),
    region: s3.region,
    owner: s3,
    stranger: alt.s3,
    ids: { owner: 'AUTH_test', stranger: 'AUTH_test2', member: 'test:member' },
    member: member.s3,
    async close() {
      await running.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
}
