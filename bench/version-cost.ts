/**
 * What a bucket with versioning, a policy and default encryption costs beside a plain one, at 4 KiB: CPU of the server for a
 * PUT of a new name, a PUT over a name that is there, and a GET, the two buckets in turns in one process.
 */
import { request } from 'undici';
import { startEmbedded } from './embedded.ts';
import type { LoadKind } from './load/plan.ts';
import { runLoad } from './load/run-load.ts';
import { S3Signer } from './sign-s3.ts';
import { makeContainer, type Target } from './target.ts';

const SIZE_BYTES = 4096;
const CONNECTIONS = 16;
const WARMUP_SECONDS = 1;
const NAMES = 2_000;
/** Of a run that overwrites: it ends when every name was used. */
const FILL_SECONDS_MAX = 300;

export interface Paired {
  readonly what: string;
  /** µs CPU of the server an operation. */
  readonly plainUs: number;
  readonly guardedUs: number;
}

const POLICY = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::guarded/closed/*' },
    { Effect: 'Allow', Principal: { AWS: '*' }, Action: 's3:GetObject', Resource: 'arn:aws:s3:::guarded/open/*' },
  ],
};
const ENCRYPTION =
  '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>';
const VERSIONING = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';

/** `only`: which of the guards; all of them by default. */
export async function costOfGuards(
  { seconds, rounds, only }: { seconds: number; rounds: number; only?: readonly string[] },
  parent?: string,
): Promise<Paired[]> {
  const cluster = await startEmbedded({ processes: 'inline', ...(parent ? { parent } : {}) });
  try {
    const target = await cluster.target('s3', 'all');
    for (const bucket of ['plain', 'guarded']) await makeContainer(target, bucket);
    const guards: Record<string, string> = {
      versioning: VERSIONING,
      policy: JSON.stringify(POLICY),
      encryption: ENCRYPTION,
    };
    for (const [name, document] of Object.entries(guards)) {
      if (!only || only.includes(name)) await set(target, 'guarded', { name, document });
    }
    const measured: Paired[] = [];
    const kinds: readonly (readonly [string, LoadKind, number])[] = [
      ['PUT of a new name', 'put', 0],
      ['PUT over a name', 'fill', NAMES],
      ['GET', 'get', NAMES],
    ];
    for (const container of ['plain', 'guarded']) {
      const all = { target, container, tag: '', sizeBytes: SIZE_BYTES, connections: CONNECTIONS, names: NAMES };
      await runLoad({ ...all, kind: 'fill', seconds: FILL_SECONDS_MAX, warmupSeconds: 0 }, []);
    }
    for (const [what, kind, names] of kinds) {
      const best = { plain: Number.POSITIVE_INFINITY, guarded: Number.POSITIVE_INFINITY };
      for (let round = 0; round < rounds; round++) {
        for (const container of ['plain', 'guarded'] as const) {
          const plan = { target, kind, container, tag: `r${round}`, sizeBytes: SIZE_BYTES, connections: CONNECTIONS };
          const { server, errors, errorSamples } = await runLoad(
            kind === 'fill'
              ? { ...plan, seconds: FILL_SECONDS_MAX, warmupSeconds: 0, names }
              : { ...plan, seconds, warmupSeconds: WARMUP_SECONDS, names },
            [cluster.pid],
          );
          if (errors > 0 || !server) throw new Error(`${what} in ${container}: ${errorSamples.join('; ')}`);
          best[container] = Math.min(best[container], server.cpuUsPerOp);
        }
      }
      measured.push({ what, plainUs: best.plain, guardedUs: best.guarded });
    }
    return measured;
  } finally {
    await cluster.stop();
  }
}

async function set(
  target: Target,
  bucket: string,
  { name, document }: { name: string; document: string },
): Promise<void> {
  const { host, origin } = new URL(target.url);
  if (!target.keys) throw new Error('no keys');
  const headers = new S3Signer(target.keys, host).headers('PUT', `/${bucket}`, `${name}=`, 'application/xml');
  const { statusCode, body } = await request(`${origin}/${bucket}?${name}=`, {
    method: 'PUT',
    headers: { ...Object.fromEntries(headers), 'content-type': 'application/xml' },
    body: document,
  });
  const text = await body.text();
  if (statusCode >= 300) throw new Error(`${name}: ${statusCode} ${text.slice(0, 300)}`);
}
