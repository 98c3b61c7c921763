/** IAM: roles, whose trust policy says who may assume them (sts.ts asks it). */
import { Fault } from '../../fabric/errors.ts';
import { readTrustPolicy } from '../object/policy.ts';
import { iamFaults } from './contract.ts';
import { readTags, roleXml, tagsXml } from './entities.ts';
import { documentOf, lengthOf } from './policies.ts';
import { countOf, matching, type QueryAction, type QueryCall, textOf } from './query-call.ts';
import { meant, meantNew } from './subjects.ts';

const DESCRIPTION = /^[\t\n\r\x20-\x7e\xa1-\xff]{0,1000}$/;
const DESCRIPTION_LENGTH_MAX = 1000;
const AGE_S = { min: 3600, max: 43_200, absent: 3600 };
/** AWS' own, without blanks. */
const TRUST_LENGTH_MAX = 2048;

function trustOf(call: QueryCall, name: string): string {
  const document = documentOf(call, name, readTrustPolicy);
  if (lengthOf(document) <= TRUST_LENGTH_MAX) return document;
  throw new Fault(iamFaults.limitExceeded, {}, `Cannot exceed quota for ACLSizePerRole: ${TRUST_LENGTH_MAX}`);
}

const descriptionOf = (call: QueryCall): string =>
  matching('Description', textOf(call, 'Description', DESCRIPTION_LENGTH_MAX), DESCRIPTION);

export const createRole: QueryAction = async (call) => {
  const { iam, of, path } = await meantNew(call, 'role');
  const trust = trustOf(call, 'AssumeRolePolicyDocument');
  const maxSessionS = countOf(call, 'MaxSessionDuration', AGE_S);
  const about = { trust, maxSessionS, description: descriptionOf(call), tags: readTags(call) };
  const row = await iam.create('role', { ...of, path, policies: {}, ...about });
  return `<Role>${roleXml(row)}${tagsXml(row)}</Role>`;
};

export const getRole: QueryAction = async (call) => {
  const { iam, of } = await meant(call, 'role');
  const row = await iam.get('role', of);
  return `<Role>${roleXml(row)}${tagsXml(row)}</Role>`;
};

export const updateRole: QueryAction = async (call) => {
  const { iam, of } = await meant(call, 'role');
  const { parameters } = call;
  const age = parameters.has('MaxSessionDuration') && { maxSessionS: countOf(call, 'MaxSessionDuration', AGE_S) };
  const description = parameters.has('Description') && { description: descriptionOf(call) };
  await iam.change('role', of, (row) => ({ ...row, ...age, ...description }));
  return '';
};

export const updateRoleDescription: QueryAction = async (call) => {
  const { iam, of } = await meant(call, 'role');
  const description = descriptionOf(call);
  return `<Role>${roleXml(await iam.change('role', of, (row) => ({ ...row, description })))}</Role>`;
};

export const updateAssumeRolePolicy: QueryAction = async (call) => {
  const { iam, of } = await meant(call, 'role');
  const trust = trustOf(call, 'PolicyDocument');
  await iam.change('role', of, (row) => ({ ...row, trust }));
  return undefined;
};
