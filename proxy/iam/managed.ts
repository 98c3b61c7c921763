/** IAM: managed policies and their versions, of the account and of AWS, and what they are attached to. */
import { Fault } from '../../fabric/errors.ts';
import { xmlElement } from '../../fabric/xml.ts';
import { AWS_POLICIES } from './aws-policies.ts';
import {
  arnOf,
  HOLDERS,
  type HolderKind,
  type IamDirectory,
  type IamHolder,
  type IamPolicy,
  type IamPolicyVersion,
  iamFaults,
} from './contract.ts';
import { documentXml, policyXml, readTags, tagsXml, versionXml } from './entities.ts';
import { queryFault } from './errors.ts';
import { documentOf, lengthOf, POLICY_NAME } from './policies.ts';
import {
  checked,
  listXml,
  matching,
  oneOf,
  pageOf,
  pageXml,
  type QueryAction,
  type QueryCall,
  textOf,
} from './query-call.ts';
import { conflict, missing } from './records.ts';
import { checkMay, inPath, meantAll, meantPolicy } from './subjects.ts';

const PATH = /^(?=.{1,512}$)(?:\/[A-Za-z0-9.,+@=_-]+)*\/$/;
const VERSION_ID = /^v[1-9][0-9]*(?:\.[A-Za-z0-9-]*)?$/;
const DESCRIPTION_LENGTH_MAX = 1000;
/** Without blanks. */
const DOCUMENT_LENGTH_MAX = 6144;
const VERSIONS_MAX = 5;

export const createPolicy: QueryAction = async (call) => {
  const path = matching('Path', call.parameters.get('Path') ?? '/', PATH);
  const of = { account: call.user.account, name: checked(call, 'PolicyName', POLICY_NAME) };
  checkMay(call, arnOf('policy', of, path));
  const document = managedDocument(call);
  const description = textOf(call, 'Description', DESCRIPTION_LENGTH_MAX);
  const { nowMs } = call;
  const iam = await call.openIam();
  const row = await iam.create('policy', {
    ...{ ...of, path, description, tags: readTags(call), updatedMs: nowMs },
    ...{ inForce: 'v1', made: 1, versions: [{ id: 'v1', document, createdMs: nowMs }] },
  });
  return `<Policy>${policyXml(row, 0)}${tellXml(row)}</Policy>`;
};

function managedDocument(call: QueryCall): string {
  const document = documentOf(call, 'PolicyDocument');
  if (lengthOf(document) <= DOCUMENT_LENGTH_MAX) return document;
  throw queryFault(iamFaults.limitExceeded, `Cannot exceed quota for PolicySize: ${DOCUMENT_LENGTH_MAX}`);
}

/** What lists leave out. */
function tellXml(row: IamPolicy): string {
  return (row.description === '' ? '' : xmlElement('Description', row.description)) + tagsXml(row);
}

export const getPolicy: QueryAction = async (call) => {
  const { iam, row, arn } = await meantPolicy(call);
  const counts = await attachments(iam, call.user.account);
  return `<Policy>${policyXml(row, counts.get(arn) ?? 0)}${tellXml(row)}</Policy>`;
};

export const listPolicies: QueryAction = async (call) => {
  const iam = await meantAll(call, 'policy');
  const scope = oneOf(call, 'Scope', ['All', 'AWS', 'Local']) ?? 'All';
  const onlyAttached = oneOf(call, 'OnlyAttached', ['true', 'false']) === 'true';
  const { account } = call.user;
  const counts = await attachments(iam, account);
  const own = scope === 'AWS' ? [] : await iam.list('policy', account);
  const all = [...own, ...(scope === 'Local' ? [] : AWS_POLICIES.values())];
  const rows = all.filter(inPath(call)).filter((row) => !onlyAttached || counts.has(arnOfRow(row)));
  const shown = isForBoundaries(call) ? [] : rows;
  return pageXml(call, 'Policies', shown, {
    key: arnOfRow,
    xml: (row) => policyXml(row, counts.get(arnOfRow(row)) ?? 0),
  });
};

const arnOfRow = (row: IamPolicy): string => arnOf('policy', row, row.path);

/** There are none that anything is bounded by. */
const isForBoundaries = (call: QueryCall): boolean =>
  oneOf(call, 'PolicyUsageFilter', ['PermissionsPolicy', 'PermissionsBoundary']) === 'PermissionsBoundary';

/** How many each is attached to, by ARN. */
async function attachments(iam: IamDirectory, account: string): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const { attached = [] } of await holders(iam, account)) {
    for (const arn of attached) counts.set(arn, (counts.get(arn) ?? 0) + 1);
  }
  return counts;
}

interface Holder extends IamHolder {
  readonly kind: HolderKind;
}

async function holders(iam: IamDirectory, account: string): Promise<readonly Holder[]> {
  const all = await Promise.all(
    HOLDERS.map(async (kind) => (await iam.list(kind, account)).map((row) => ({ ...row, kind }))),
  );
  return all.flat();
}

export const deletePolicy: QueryAction = async (call) => {
  const { iam, of } = await meantPolicy(call, { isChange: true });
  await iam.delete('policy', of);
  return undefined;
};

export const createPolicyVersion: QueryAction = async (call) => {
  const { iam, of } = await meantPolicy(call, { isChange: true });
  const document = managedDocument(call);
  const isDefault = oneOf(call, 'SetAsDefault', ['true', 'false']) === 'true';
  const row = await iam.change('policy', of, (had) => {
    if (had.versions.length >= VERSIONS_MAX) {
      const message = `A managed policy can have up to ${VERSIONS_MAX} versions. Before you create a new version, you must delete an existing version.`;
      throw new Fault(iamFaults.limitExceeded, {}, message);
    }
    const made = had.made + 1;
    const versions = [...had.versions, { id: `v${made}`, document, createdMs: call.nowMs }];
    return { ...had, made, versions, updatedMs: call.nowMs, inForce: isDefault ? `v${made}` : had.inForce };
  });
  return `<PolicyVersion>${versionXml(row, versionOf(row, `v${row.made}`))}</PolicyVersion>`;
};

function versionOf(row: IamPolicy, id: string): IamPolicyVersion {
  const found = row.versions.find((each) => each.id === id);
  if (found === undefined) throw missing(`Policy ${arnOfRow(row)} version ${id}`);
  return found;
}

export const getPolicyVersion: QueryAction = async (call) => {
  const { row } = await meantPolicy(call);
  const version = versionOf(row, checked(call, 'VersionId', VERSION_ID));
  return `<PolicyVersion>${documentXml('Document', version.document)}${versionXml(row, version)}</PolicyVersion>`;
};

export const listPolicyVersions: QueryAction = async (call) => {
  const { row } = await meantPolicy(call);
  return pageXml(call, 'Versions', row.versions, { key: newestFirst, xml: (each) => versionXml(row, each) });
};

const newestFirst = ({ id }: IamPolicyVersion): string => String(1e9 - Number(id.slice(1)));

export const setDefaultPolicyVersion: QueryAction = async (call) => {
  const { iam, of } = await meantPolicy(call, { isChange: true });
  const id = checked(call, 'VersionId', VERSION_ID);
  await iam.change('policy', of, (row) => ({ ...row, inForce: versionOf(row, id).id, updatedMs: call.nowMs }));
  return undefined;
};

export const deletePolicyVersion: QueryAction = async (call) => {
  const { iam, of } = await meantPolicy(call, { isChange: true });
  const id = checked(call, 'VersionId', VERSION_ID);
  await iam.change('policy', of, (row) => {
    const gone = versionOf(row, id);
    if (id === row.inForce) throw conflict('Cannot delete the default version of a policy.');
    return { ...row, versions: row.versions.filter((each) => each !== gone), updatedMs: call.nowMs };
  });
  return undefined;
};

const FILTERS = ['User', 'Role', 'Group', 'LocalManagedPolicy', 'AWSManagedPolicy'];
const TITLES: Readonly<Record<HolderKind, string>> = { user: 'User', group: 'Group', role: 'Role' };

export const listEntitiesForPolicy: QueryAction = async (call) => {
  const { iam, arn } = await meantPolicy(call);
  const filter = oneOf(call, 'EntityFilter', FILTERS);
  const all = (await holders(iam, call.user.account)).filter(inPath(call)).filter(({ kind, attached }) => {
    return attached?.includes(arn) && (filter === undefined || filter === TITLES[kind]);
  });
  const { shown, end } = pageOf(call, isForBoundaries(call) ? [] : all, ({ kind, name }) => `${kind}/${name}`);
  const lists = HOLDERS.map((kind) => {
    const title = TITLES[kind];
    const ofKind = shown.filter((each) => each.kind === kind);
    const members = ofKind.map(({ name, id }) => xmlElement(`${title}Name`, name) + xmlElement(`${title}Id`, id));
    return listXml(`Policy${title}s`, members);
  });
  return lists.join('') + end;
};
