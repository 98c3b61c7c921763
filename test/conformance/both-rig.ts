/** A five-zone cluster with one listener for both APIs, and a client for each. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Test } from 'tap';
import { withConfig } from '../../cli/cluster/config.ts';
import { type RunningCluster, startCluster } from '../../cli/cluster/start-cluster.ts';
import { S3Client } from './s3-rig.ts';

const ANSWER_MS = 60_000;

export interface Both {
  readonly data: string;
  readonly running: RunningCluster;
  readonly client: S3Client;
  /** Swift, as the owner of AUTH_test; `path` begins behind the account. */
  swift(method: string, path: string, headers?: Record<string, string>, body?: string): Promise<Response>;
  /** Stops it; the data stays until the test is over. */
  close(): Promise<void>;
}

/** `data`: of a cluster that was closed. `config`: TOML. */
export async function openBoth(t: Test, data?: string, config = ''): Promise<Both> {
  const directory = data ?? mkdtempSync(path.join(tmpdir(), 'needletail-both-'));
  let closing: Promise<void> | undefined;
  let close = async (): Promise<void> => {};
  // Before the start, which may be refused.
  t.teardown(async () => {
    await close();
    if (data === undefined) rmSync(directory, { recursive: true, force: true });
  });
  const file = path.join(directory, 'needletail.toml');
  writeFileSync(file, config);
  const ports = { port: 0, s3Port: 0 };
  const options = { data: directory, config: file, host: '127.0.0.1', ...ports, processes: 'inline' } as const;
  const given = new Set(['port', 's3Port']);
  const running = await startCluster(withConfig({ ...options, logLevel: 'silent', given }));
  const { s3, alt, member, swift } = running.credentials;
  const port = Number(new URL(running.urls.everything).port);
  const ids = { owner: 'AUTH_test', stranger: 'AUTH_test2', member: 'test:member' };
  const people = { owner: s3, stranger: alt.s3, member: member.s3, ids };
  const server = { host: '127.0.0.1', port, region: s3.region, ...people, close: async () => {} };
  const client = new S3Client({ server, certificate: undefined, folder: directory });
  close = () => {
    client.close();
    closing ??= running.stop();
    return closing;
  };
  let token = '';
  return {
    data: directory,
    running,
    client,
    close,
    async swift(method, name, headers = {}, body) {
      const signal = AbortSignal.timeout(ANSWER_MS);
      if (token === '') {
        const login = { 'x-auth-user': swift.user, 'x-auth-key': swift.key };
        token = (await fetch(swift.authUrl, { headers: login, signal })).headers.get('x-auth-token') ?? '';
      }
      return fetch(`${running.urls.everything}/v1/AUTH_test${name}`, {
        method,
        headers: { 'x-auth-token': token, ...headers },
        ...(body === undefined ? {} : { body }),
        signal,
      });
    },
  };
}
