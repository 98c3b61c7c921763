/** Words that users attach to volumes and snapshots: /metadata and /metadata/{key}, with ETags from 3.15 on. */
import { createHash } from 'node:crypto';
import { schema } from '../../../control/service/schema.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import type { Cinder } from '../cinder.ts';
import type { Collection } from '../model/collection.ts';
import { badRequest, notFound } from '../refusals.ts';
import { snapshots, volumes, type Words } from '../tables.ts';
import { change } from '../tasks/kind.ts';
import { owned, targetIn, WORDS } from './shared.ts';

interface Described {
  readonly id: string;
  readonly projectId: string;
  readonly metadata: Words;
  readonly updatedAtMs?: number | undefined;
}

interface Kind {
  /** `volume` or `snapshot`. */
  readonly name: string;
  readonly rows: Collection<Described>;
  readonly what: string;
  readonly rules: { readonly get: string; readonly set: string; readonly remove: string };
}

const BODY = schema<{ readonly metadata: Words }>({
  type: 'object',
  properties: { metadata: WORDS },
  required: ['metadata'],
  additionalProperties: false,
});
const ONE = schema<{ readonly meta: Words }>({
  type: 'object',
  properties: { meta: { ...WORDS, minProperties: 1, maxProperties: 1 } },
  required: ['meta'],
  additionalProperties: false,
});

const KINDS: readonly Kind[] = [
  {
    ...{ name: 'volume', rows: volumes as unknown as Collection<Described>, what: 'Volume' },
    rules: {
      get: 'volume:get_volume_metadata',
      set: 'volume:update_volume_metadata',
      remove: 'volume:delete_volume_metadata',
    },
  },
  {
    ...{ name: 'snapshot', rows: snapshots as unknown as Collection<Described>, what: 'Snapshot' },
    rules: {
      get: 'volume:get_snapshot_metadata',
      set: 'volume:update_snapshot_metadata',
      remove: 'volume:delete_snapshot_metadata',
    },
  },
];

export const metadataRoutes = (cinder: Cinder): Route[] => KINDS.flatMap((kind) => routesOf(cinder, kind));

function routesOf(cinder: Cinder, kind: Kind): Route[] {
  const { name, rules } = kind;
  const path = `/${name}s/{id}/metadata` as '/volumes/{id}/metadata';
  const one = `${path}/{key}` as '/volumes/{id}/metadata/{key}';
  const target = targetIn(cinder, { rows: kind.rows, what: kind.what, param: 'id' });
  const set = (call: Call, id: string, make: (before: Words) => Words) => setWords(cinder, call, { kind, id, make });
  const replace = (call: Call, id: string, make: (before: Words) => Words) =>
    setWords(cinder, call, { kind, id, make, isChecked: true });
  return [
    route({
      ...{ name: `${name}-metadata:list`, method: 'GET', path, target, policy: rules.get },
      run: async (call) => tagged(call, await wordsOf(cinder, call, { kind, id: call.params.id })),
    }),
    route({
      ...{ name: `${name}-metadata:add`, method: 'POST', path, target, policy: rules.set, body: BODY },
      run: (call) => set(call, call.params.id, (before) => ({ ...before, ...call.body.metadata })),
    }),
    route({
      ...{ name: `${name}-metadata:replace`, method: 'PUT', path, target, policy: rules.set, body: BODY },
      run: (call) => replace(call, call.params.id, () => call.body.metadata),
    }),
    route({
      ...{ name: `${name}-metadata:show`, method: 'GET', path: one, target, policy: rules.get },
      async run(call) {
        const { id, key } = call.params;
        const value = (await wordsOf(cinder, call, { kind, id }))[key];
        if (value === undefined) throw notFound(`${kind.what} metadata`, key);
        return { body: { meta: { [key]: value } } };
      },
    }),
    route({
      ...{ name: `${name}-metadata:set`, method: 'PUT', path: one, target, policy: rules.set, body: ONE },
      async run(call) {
        const { id, key } = call.params;
        const value = call.body.meta[key];
        if (value === undefined) throw badRequest('Request body and URI mismatch');
        const { status } = await replace(call, id, (before) => ({ ...before, [key]: value }));
        return status === CHANGED ? { status } : { body: { meta: { [key]: value } } };
      },
    }),
    route({
      ...{ name: `${name}-metadata:delete`, method: 'DELETE', path: one, status: 200, target, policy: rules.remove },
      async run(call) {
        const { id, key } = call.params;
        await set(call, id, ({ [key]: gone, ...rest }) => {
          if (gone === undefined) throw notFound(`${kind.what} metadata`, key);
          return rest;
        });
        return {};
      },
    }),
  ];
}

async function wordsOf({ store }: Cinder, call: Call, { kind, id }: { kind: Kind; id: string }): Promise<Words> {
  const { rows, what } = kind;
  return (await store.read((tx) => owned(tx, call, { rows, what, id }))).metadata;
}

/** Precondition failed: somebody has changed them meanwhile. */
const CHANGED = 412;

interface Change {
  readonly kind: Kind;
  readonly id: string;
  readonly make: (before: Words) => Words;
  /** Whether an If-Match holds it to what the client knows. */
  readonly isChecked?: boolean;
}

async function setWords(cinder: Cinder, call: Call, { kind, id, make, isChecked = false }: Change): Promise<Answer> {
  const { rows, what } = kind;
  const hasTags = isChecked && call.version.atLeast('3.15');
  const wanted = hasTags ? call.request.headers.get('if-match') : undefined;
  const metadata = await cinder.store.write(async (tx) => {
    const row = await owned(tx, call, { rows, what, id });
    if (wanted !== undefined && wanted !== '*' && unquoted(wanted) !== tagOf(row.metadata)) return undefined;
    const next = make(row.metadata);
    await change(cinder, tx, rows, { id, metadata: next });
    return next;
  });
  return metadata === undefined ? { status: CHANGED } : tagged(call, metadata);
}

const unquoted = (text: string): string => text.trim().replace(/^W\//, '').replace(/^"|"$/g, '');
const tagOf = (metadata: Words): string =>
  createHash('md5')
    .update(JSON.stringify(Object.entries(metadata).sort()))
    .digest('hex');

function tagged({ version }: Call, metadata: Words): Answer {
  const body = { metadata };
  return version.atLeast('3.15') ? { body, headers: ['ETag', `"${tagOf(metadata)}"`] } : { body };
}
