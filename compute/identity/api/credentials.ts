/**
 * /v3/credentials and a user's OS-EC2 credentials, which are the same rows. A blob is sealed before it is stored: EC2
 * secrets must be readable to check a signature, so they cannot be hashed.
 */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import { joinKey } from '../../../control/contract.ts';
import { schema } from '../../../control/service/schema.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import { accessKeyId, parseEc2, readBlob, sealBlob } from '../ec2-blob.ts';
import { dropCredential } from '../model/cascade.ts';
import { getProject } from '../model/projects.ts';
import { members, must } from '../model/rows.ts';
import { getUser } from '../model/users.ts';
import { badRequest, conflict, forbidden, notFound } from '../refusals.ts';
import { type Identity, moment } from '../service-state.ts';
import { type CredentialRow, tables } from '../tables.ts';
import { listed } from './listing.ts';
import {
  type Body,
  extraOf,
  given,
  linked,
  NAME,
  refuseDelegated,
  refusing,
  STRING,
  TEXT,
  targetOf,
  wrapped,
} from './shared.ts';

const PROPERTIES = { blob: STRING, type: NAME, user_id: STRING, project_id: TEXT };
const KNOWN = Object.keys(PROPERTIES);

interface ChangeBody {
  readonly credential: { readonly blob: string };
}

/** Whose it is and where it counts stays as it was made. */
const CHANGE = schema<ChangeBody>({
  type: 'object',
  required: ['credential'],
  properties: {
    credential: { type: 'object', properties: { blob: STRING }, required: ['blob'], additionalProperties: false },
  },
});

function getCredential(tx: ReadTx, id: string): Promise<CredentialRow> {
  return must(tx, tables.credentials, { kind: 'credential', id });
}

function show(call: Call, identity: Identity, row: CredentialRow): Body {
  const { id, type, userId, projectId, extra } = row;
  const blob = readBlob(identity, row);
  return linked(call, `/v3/credentials/${id}`, { ...extra, id, type, blob, user_id: userId, project_id: projectId });
}

export async function putCredential(tx: WriteTx, { row, limit }: { row: CredentialRow; limit: number }): Promise<void> {
  if ((await tx.get(tables.credentials, row.id)) !== undefined)
    throw conflict('credential', `Duplicate entry found with ID ${row.id}`);
  if ((await members(tx, tables.userCredentials, row.userId)).length >= limit)
    throw forbidden(`The user has ${limit} credentials already.`);
  tx.put(tables.credentials, row.id, row);
  tx.put(tables.userCredentials, joinKey(row.userId, row.id), true);
}

/** Tokens of less than a user's own login see none of this. */
export function credentialRoutes(identity: Identity): Route[] {
  return refusing(refuseDelegated, [...anyRoutes(identity), ...ec2Routes(identity)]);
}

function anyRoutes(identity: Identity): Route[] {
  const { store } = identity;
  const byId = {
    path: '/v3/credentials/{credential_id}',
    target: ({ params }: { params: { credential_id: string } }) =>
      store.read(async (tx) =>
        targetOf('credential', { user_id: (await tx.get(tables.credentials, params.credential_id))?.userId ?? null }),
      ),
  } as const;
  return [
    route({
      name: 'credentials:create',
      method: 'POST',
      path: '/v3/credentials',
      body: wrapped('credential', PROPERTIES, ['blob', 'type']),
      status: 201,
      run: (call) => create(identity, call),
    }),
    route({
      name: 'credentials:list',
      method: 'GET',
      path: '/v3/credentials',
      head: true,
      note: 'filters user_id, type; those the caller may see',
      run: async (call) => {
        const rows = (await store.read((tx) => tx.scan(tables.credentials))).map(({ value }) => value);
        const seen = rows.filter((row) =>
          call.allows('identity:list_credentials', targetOf('credential', { user_id: row.userId })),
        );
        const shown = seen.map((row) => show(call, identity, row));
        return listed(call, 'credentials', shown, { filters: ['user_id', 'type'], listMax: identity.settings.listMax });
      },
    }),
    route({
      ...byId,
      name: 'credentials:show',
      method: 'GET',
      head: true,
      policy: 'identity:get_credential',
      run: async (call) => ({
        body: {
          credential: show(call, identity, await store.read((tx) => getCredential(tx, call.params.credential_id))),
        },
      }),
    }),
    route({
      ...byId,
      name: 'credentials:update',
      method: 'PATCH',
      policy: 'identity:update_credential',
      body: CHANGE,
      run: (call) => update(identity, call, call.params.credential_id),
    }),
    route({
      ...byId,
      name: 'credentials:delete',
      method: 'DELETE',
      policy: 'identity:delete_credential',
      run: async (call) => {
        await store.write(async (tx) => dropCredential(tx, await getCredential(tx, call.params.credential_id)));
        return {};
      },
    }),
  ];
}

async function create(identity: Identity, call: Call<unknown, Readonly<Record<string, Body>>>): Promise<Answer> {
  const body = call.body['credential'] as Body;
  const userId = given<string>(body, 'user_id') ?? call.credentials.userId;
  call.enforce('identity:create_credential', targetOf('credential', { user_id: userId }));
  const type = String(body['type']);
  const blob = String(body['blob']);
  const projectId = given<string | null>(body, 'project_id') ?? null;
  if (type === 'ec2' && projectId === null) throw badRequest('project_id is required for ec2 credentials.');
  const id = type === 'ec2' ? accessKeyId(parseEc2(blob).access) : moment(identity).newId();
  const row = { id, type, userId, projectId, sealedBlob: sealBlob(identity, blob), extra: extraOf(body, KNOWN) };
  await identity.store.write(async (tx) => {
    await getUser(tx, userId);
    if (projectId !== null) await getProject(tx, projectId);
    await putCredential(tx, { row, limit: identity.settings.credentialsPerUserMax });
  });
  return { body: { credential: show(call as Call, identity, row) } };
}

async function update(identity: Identity, call: Call<unknown, ChangeBody>, id: string): Promise<Answer> {
  const { blob } = call.body.credential;
  const row = await identity.store.write(async (tx) => {
    const before = await getCredential(tx, id);
    if (before.type === 'ec2') refuseOtherEc2(readBlob(identity, before), blob);
    const after = { ...before, sealedBlob: sealBlob(identity, blob) };
    tx.put(tables.credentials, id, after);
    return after;
  });
  return { body: { credential: show(call as Call, identity, row) } };
}

/** What gives the row its id stays, and what the key was limited to. */
function refuseOtherEc2(before: string, after: string): void {
  const [old, now] = [parseEc2(before), parseEc2(after)];
  if (old.access !== now.access) throw badRequest('The access key of an ec2 credential cannot be changed.');
  if (old.appCredId !== now.appCredId) throw badRequest('app_cred_id can not be updated for credential');
}

const EC2_BODY = schema<{ tenant_id: string }>({
  type: 'object',
  properties: { tenant_id: STRING },
  required: ['tenant_id'],
});

function ec2Routes(identity: Identity): Route[] {
  const { store } = identity;
  const all = {
    path: '/v3/users/{user_id}/credentials/OS-EC2',
    target: ({ params }: { params: { user_id: string } }) => targetOf('credential', { user_id: params.user_id }),
  } as const;
  const one = { ...all, path: '/v3/users/{user_id}/credentials/OS-EC2/{access}' } as const;
  const find = async (tx: ReadTx, { user_id, access }: { user_id: string; access: string }): Promise<CredentialRow> => {
    const row = await tx.get(tables.credentials, accessKeyId(access));
    if (row === undefined || row.type !== 'ec2' || row.userId !== user_id) throw notFound('credential', access);
    return row;
  };
  return [
    route({
      ...all,
      name: 'ec2:create',
      method: 'POST',
      policy: 'identity:ec2_create_credential',
      body: EC2_BODY,
      status: 201,
      run: (call) => createEc2(identity, call, { userId: call.params.user_id, projectId: call.body.tenant_id }),
    }),
    route({
      ...all,
      name: 'ec2:list',
      method: 'GET',
      head: true,
      policy: 'identity:ec2_list_credentials',
      run: async (call) => {
        const rows = await store.read(async (tx) => {
          await getUser(tx, call.params.user_id);
          const ids = await members(tx, tables.userCredentials, call.params.user_id);
          return await Promise.all(ids.map((id) => getCredential(tx, id)));
        });
        const shown = rows.filter(({ type }) => type === 'ec2').map((row) => showEc2(call, identity, row));
        return listed(call, 'credentials', shown, { filters: [] });
      },
    }),
    route({
      ...one,
      name: 'ec2:show',
      method: 'GET',
      head: true,
      policy: 'identity:ec2_get_credential',
      run: async (call) => ({
        body: { credential: showEc2(call, identity, await store.read((tx) => find(tx, call.params))) },
      }),
    }),
    route({
      ...one,
      name: 'ec2:delete',
      method: 'DELETE',
      policy: 'identity:ec2_delete_credential',
      run: async (call) => {
        await store.write(async (tx) => dropCredential(tx, await find(tx, call.params)));
        return {};
      },
    }),
  ];
}

function showEc2(call: Call, identity: Identity, row: CredentialRow): Body {
  const { access, secret } = parseEc2(readBlob(identity, row));
  const resource = { access, secret, user_id: row.userId, tenant_id: row.projectId, trust_id: null };
  return linked(call, `/v3/users/${row.userId}/credentials/OS-EC2/${access}`, resource);
}

async function createEc2(
  identity: Identity,
  call: Call<unknown, unknown>,
  who: { userId: string; projectId: string },
): Promise<Answer> {
  const { userId, projectId } = who;
  const { newId } = moment(identity);
  const blob = { access: newId(), secret: newId(), trust_id: null };
  const row = {
    id: accessKeyId(blob.access),
    type: 'ec2',
    userId,
    projectId,
    sealedBlob: sealBlob(identity, JSON.stringify(blob)),
    extra: {},
  };
  await identity.store.write(async (tx) => {
    await getUser(tx, userId);
    await getProject(tx, projectId);
    await putCredential(tx, { row, limit: identity.settings.credentialsPerUserMax });
  });
  return { body: { credential: showEc2(call as Call, identity, row) } };
}
