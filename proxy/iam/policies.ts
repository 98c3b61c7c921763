/** IAM: policies of users, groups and roles: those written into them, and managed ones attached to them. */
import { Fault } from '../../fabric/errors.ts';
import { xmlElement } from '../../fabric/xml.ts';
import { callerPolicies } from '../object/identity-policy.ts';
import { type HolderKind, iamFaults } from './contract.ts';
import { documentXml } from './entities.ts';
import { checked, invalid, pageXml, type QueryAction, type QueryCall, required } from './query-call.ts';
import { missing } from './records.ts';
import { inPath, meant, policyArn } from './subjects.ts';

export const POLICY_NAME = /^[\w+=,.@-]{1,128}$/;
const DOCUMENT_LENGTH_MAX = 131_072;
/** All that are written into one together, without blanks. */
const LENGTH_MAX: Readonly<Record<HolderKind, number>> = { user: 2048, group: 5120, role: 10_240 };
const NAMES: Readonly<Record<HolderKind, string>> = { user: 'UserName', group: 'GroupName', role: 'RoleName' };

/** Faults MalformedPolicy and ValidationError. `read` refuses what is none. */
export function documentOf(call: QueryCall, name: string, read: (text: string) => unknown = readOwn): string {
  const document = required(call, name);
  if (document.length > DOCUMENT_LENGTH_MAX) {
    throw invalid(name, `Member must have length less than or equal to ${DOCUMENT_LENGTH_MAX}`);
  }
  read(document);
  return document;
}

const readOwn = (text: string): unknown => callerPolicies([text]);

/** As quotas count it. */
export const lengthOf = (document: string): number => document.replace(/\s/g, '').length;

export const putPolicy =
  (kind: HolderKind): QueryAction =>
  async (call) => {
    const { iam, of } = await meant(call, kind);
    const document = documentOf(call, 'PolicyDocument');
    const name = checked(call, 'PolicyName', POLICY_NAME);
    await iam.change(kind, of, (row) => {
      const policies = { ...row.policies, [name]: document };
      const length = Object.values(policies).reduce((sum, text) => sum + lengthOf(text), 0);
      if (length <= LENGTH_MAX[kind]) return { ...row, policies };
      const message = `Maximum policy size of ${LENGTH_MAX[kind]} bytes exceeded for ${kind} ${row.name}`;
      throw new Fault(iamFaults.limitExceeded, {}, message);
    });
    return undefined;
  };

export const getPolicy =
  (kind: HolderKind): QueryAction =>
  async (call) => {
    const { iam, of } = await meant(call, kind);
    const name = checked(call, 'PolicyName', POLICY_NAME);
    const { policies } = await iam.get(kind, of);
    if (!Object.hasOwn(policies, name)) throw missing(`The ${kind} policy with name ${name}`);
    const about = xmlElement(NAMES[kind], of.name) + xmlElement('PolicyName', name);
    return about + documentXml('PolicyDocument', policies[name] as string);
  };

export const listPolicies =
  (kind: HolderKind): QueryAction =>
  async (call) => {
    const { iam, of } = await meant(call, kind);
    const names = Object.keys((await iam.get(kind, of)).policies);
    return namesXml(call, names);
  };

/** Names are the members themselves, and need no elements inside. */
function namesXml(call: QueryCall, names: readonly string[]): string {
  return pageXml(call, 'PolicyNames', names, { key: (name) => name, xml: (name) => name });
}

export const deletePolicy =
  (kind: HolderKind): QueryAction =>
  async (call) => {
    const { iam, of } = await meant(call, kind);
    const name = checked(call, 'PolicyName', POLICY_NAME);
    await iam.change(kind, of, (row) => {
      if (!Object.hasOwn(row.policies, name)) throw missing(`The ${kind} policy with name ${name}`);
      const { [name]: _, ...policies } = row.policies;
      return { ...row, policies };
    });
    return undefined;
  };

export const attach =
  (kind: HolderKind): QueryAction =>
  async (call) => {
    const { iam, of } = await meant(call, kind);
    await iam.attach(kind, of, policyArn(call));
    return undefined;
  };

export const detach =
  (kind: HolderKind): QueryAction =>
  async (call) => {
    const { iam, of } = await meant(call, kind);
    await iam.detach(kind, of, policyArn(call));
    return undefined;
  };

export const listAttached =
  (kind: HolderKind): QueryAction =>
  async (call) => {
    const { iam, of } = await meant(call, kind);
    const { attached = [] } = await iam.get(kind, of);
    const isIn = inPath(call);
    const rows = attached
      .map((arn) => ({ arn, name: arn.slice(arn.lastIndexOf('/') + 1), path: pathIn(arn) }))
      .filter(isIn);
    const xml = ({ name, arn }: { name: string; arn: string }): string =>
      xmlElement('PolicyName', name) + xmlElement('PolicyArn', arn);
    return pageXml(call, 'AttachedPolicies', rows, { key: ({ name }) => name, xml });
  };

const pathIn = (arn: string): string => arn.slice(arn.indexOf('/'), arn.lastIndexOf('/') + 1);
