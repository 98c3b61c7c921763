/**
 * Every real client against the shipped server: over HTTP (zones in one process) and over TLS (a process each), S3 clients
 * on both listeners. A step that fails does not keep the others from being tried.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { awsS3 } from './aws.ts';
import { awsS3Api } from './aws-api.ts';
import { awsKept } from './aws-keeping.ts';
import { boto3 } from './boto3.ts';
import type { Outcome, Place, RealClient, Step } from './contract.ts';
import { crossing } from './cross.ts';
import { duplicityS3, duplicitySwift } from './duplicity.ts';
import { gophercloud } from './gophercloud.ts';
import { jsSdk } from './js-sdk.ts';
import { openstackSdk } from './openstacksdk.ts';
import { rcloneS3, rcloneSwift } from './rclone.ts';
import { resticS3, resticSwift } from './restic.ts';
import { s3cmdClient } from './s3cmd.ts';
import { s3fs } from './s3fs.ts';
import type { ShippedServer } from './server.ts';
import { swiftClient } from './swift.ts';

export const CLIENTS: readonly RealClient[] = [
  swiftClient,
  awsS3,
  awsS3Api,
  awsKept,
  boto3,
  jsSdk,
  rcloneS3,
  rcloneSwift,
  resticS3,
  resticSwift,
  s3cmdClient,
  duplicityS3,
  duplicitySwift,
  s3fs,
  openstackSdk,
  gophercloud,
  crossing,
];

/** Which listener S3 clients use; Swift is served by --port alone. */
export const LISTENERS = ['--port', '--s3-port'] as const;
export type Listener = (typeof LISTENERS)[number];

export const placeName = (tls: boolean, listener: Listener): string => `${tls ? 'TLS' : 'HTTP'} ${listener}`;

let runs = 0;

/** Clients whose calls go to this listener: those of Swift alone have nothing to do on --s3-port. */
export const clientsOn = (listener: Listener): readonly RealClient[] =>
  CLIENTS.filter(({ apis }) => listener === '--port' || apis.includes('s3'));

/** Every step, in order; the caller has looked whether the client is there. */
export async function runClient(server: ShippedServer, listener: Listener, client: RealClient): Promise<Outcome[]> {
  const place = makePlace(server, listener, client);
  const outcomes: Outcome[] = [];
  for (const [step, run] of Object.entries(client.steps)) {
    outcomes.push({ client: client.name, place: place.name, step, ...(await judge(run, place)) });
  }
  return outcomes;
}

async function judge(run: Step, place: Place): Promise<Pick<Outcome, 'state' | 'why' | 'tookMs'>> {
  const startedMs = performance.now();
  const tookMs = (): number => Math.round(performance.now() - startedMs);
  try {
    const reason = await run(place);
    return { state: typeof reason === 'string' ? 'skipped' : 'ok', why: reason ?? '', tookMs: tookMs() };
  } catch (error) {
    return { state: 'failed', why: error instanceof Error ? error.message : String(error), tookMs: tookMs() };
  }
}

function makePlace(server: ShippedServer, listener: Listener, client: RealClient): Place {
  const tag = `c${++runs}-${client.name.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
  const folder = path.join(server.folder, 'clients', tag);
  mkdirSync(folder, { recursive: true });
  const url = listener === '--port' ? server.urls.everything : server.urls.s3;
  return {
    name: placeName(server.caFile !== undefined, listener),
    s3Endpoint: url,
    swiftAuth: server.credentials.swift.authUrl,
    credentials: server.credentials,
    caFile: server.caFile,
    folder,
    tag,
  };
}
