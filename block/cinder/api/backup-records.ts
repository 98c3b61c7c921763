/**
 * export_record and import_record: what a controller needs to know of a backup that lies in the object store, as a text that another
 * one, or this one after it has forgotten, takes in. Names whose bytes to read, so only admins may take one in.
 */
import { schema } from '../../../control/service/schema.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import { Fault } from '../../../fabric/errors.ts';
import type { SnapshotPlace } from '../../volumes/contract.ts';
import type { Cinder } from '../cinder.ts';
import { backupAmounts } from '../model/quota-amounts.ts';
import { invalidBackup, invalidInput } from '../refusals.ts';
import { type BackupRow, backups } from '../tables.ts';
import { isGone } from '../tasks/patience.ts';
import { type Body, owned, projectOf, STRING, type targetIn, wrapped } from './shared.ts';
import { volumeLinks } from './volume-view.ts';

const SERVICE = 'needletail';
const VERSION = 1;
const GIB = 2 ** 30;
const RECORD_CHARS_MAX = 16_384;

const IMPORT = wrapped(
  'backup-record',
  { backup_service: STRING, backup_url: { type: 'string', minLength: 1, maxLength: RECORD_CHARS_MAX } },
  { required: ['backup_service', 'backup_url'] },
);

/** What is in a record: base64 of JSON. */
interface Exported extends SnapshotPlace {
  readonly version: number;
  readonly name: string | null;
  readonly description: string | null;
  readonly volume: string;
  readonly incremental: boolean;
  readonly dataAtMs: number;
}

const ID = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$' };
const EXPORTED = schema<Exported>({
  type: 'object',
  properties: {
    ...{ version: { const: VERSION }, lineage: ID, snapshot: ID, volume: ID, incremental: { type: 'boolean' } },
    ...{ name: { type: ['string', 'null'] }, description: { type: ['string', 'null'] }, dataAtMs: { type: 'number' } },
  },
  required: ['version', 'lineage', 'snapshot', 'volume'],
});

export function backupRecordRoutes(cinder: Cinder, target: ReturnType<typeof targetIn>): Route[] {
  const { store } = cinder;
  return [
    route({
      ...{ name: 'backups:export-record', method: 'GET', path: '/backups/{backup_id}/export_record', target },
      policy: 'backup:export-import',
      async run(call) {
        const id = call.params.backup_id;
        const backup = await store.read((tx) => owned(tx, call, { rows: backups, what: 'Backup', id }));
        if (backup.status !== 'available')
          throw invalidBackup(`Backup status must be available and not ${backup.status}.`);
        return { body: { 'backup-record': { backup_service: SERVICE, backup_url: encode(backup) } } };
      },
    }),
    route({
      ...{ name: 'backups:import-record', method: 'POST', path: '/backups/import_record', status: 201, body: IMPORT },
      ...{ policy: 'backup:export-import', note: 'the backup must be in the object store' },
      async run(call) {
        const row = await take(cinder, call, call.body['backup-record'] as Body);
        return { body: { backup: { id: row.id, name: row.name, links: volumeLinks(call, row.id, 'backups') } } };
      },
    }),
  ];
}

function encode({ id, lineage, name, description, volumeId, isIncremental, dataAtMs }: BackupRow): string {
  const record: Exported = {
    ...{ version: VERSION, lineage, snapshot: id, name, description, volume: volumeId },
    ...{ incremental: isIncremental, dataAtMs },
  };
  return Buffer.from(JSON.stringify(record)).toString('base64');
}

function decode(text: string): Exported {
  try {
    return EXPORTED.check(JSON.parse(Buffer.from(text, 'base64').toString('utf8')));
  } catch (error) {
    if (error instanceof Fault || error instanceof SyntaxError) throw invalidInput("Can't parse backup record.");
    throw error;
  }
}

async function take(cinder: Cinder, call: Call, body: Body): Promise<BackupRow> {
  if (body['backup_service'] !== SERVICE)
    throw invalidInput(
      `Records of ${SERVICE} are taken in here; those of Cinder's own services by needletail volume import-cinder.`,
    );
  const record = decode(body['backup_url'] as string);
  const { lineage, snapshot } = record;
  const host = cinder.hosts.names[0] as string;
  const sizeBytes = await sizeOf(cinder, host, { lineage, snapshot });
  const projectId = projectOf(call);
  const sizeGb = Math.ceil(sizeBytes / GIB);
  return cinder.store.write(async (tx) => {
    if (await backups.get(tx, snapshot)) throw invalidBackup(`Backup ${snapshot} is known already.`);
    await cinder.quotas.take(tx, projectId, backupAmounts(sizeGb));
    const nowMs = cinder.clock.nowMs();
    return backups.put(tx, {
      ...{ id: snapshot, projectId, userId: call.credentials.userId, volumeId: record.volume, host, lineage, sizeGb },
      ...{ name: record.name ?? null, description: record.description ?? null, status: 'available', zone: null },
      ...{ isIncremental: record.incremental ?? false, container: cinder.settings.container, objectCount: 0 },
      ...{ createdAtMs: nowMs, dataAtMs: record.dataAtMs ?? nowMs, metadata: {} },
    });
  });
}

async function sizeOf({ hosts }: Cinder, host: string, place: SnapshotPlace): Promise<number> {
  try {
    return (await hosts.call(host, 'snapshot', place)).sizeBytes;
  } catch (error) {
    if (isGone(error)) throw invalidInput(`Backup ${place.snapshot} is not in the object store.`);
    throw error;
  }
}
