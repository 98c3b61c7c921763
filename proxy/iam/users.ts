/**
 * IAM: users within the caller's account and their keys.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html
 */

import { xmlElement } from '../../fabric/xml.ts';
import { arnOf, type IamKey } from './contract.ts';
import { readTags, tagsXml, userXml } from './entities.ts';
import { checked, invalid, isoSecond, pageXml, type QueryAction, required } from './query-call.ts';
import { checkMay, meant, meantNew } from './subjects.ts';

const KEY_ID = /^\w{16,128}$/;

export const createUser: QueryAction = async (call) => {
  const { iam, of, path } = await meantNew(call, 'user');
  const row = await iam.create('user', { ...of, path, policies: {}, tags: readTags(call) });
  return `<User>${userXml(row)}${tagsXml(row)}</User>`;
};

export const getUser: QueryAction = async (call) => {
  const { caller, user, parameters } = call;
  if (!parameters.has('UserName') && caller.own === undefined) {
    checkMay(call, arnOf('user', user));
    // From a file, which does not say since when.
    const { account, name } = user;
    const row = { account, name, id: caller.user ?? '', path: '/', createdMs: 0, policies: {} };
    return `<User>${userXml(row)}</User>`;
  }
  const { iam, of } = await meant(call, 'user', { isOwn: true });
  const row = await iam.get('user', of);
  return `<User>${userXml(row)}${tagsXml(row)}</User>`;
};

const statusOf = ({ isActive }: IamKey): string => xmlElement('Status', isActive ? 'Active' : 'Inactive');

export const createAccessKey: QueryAction = async (call) => {
  const { iam, of } = await meant(call, 'user', { isOwn: true });
  const key = await iam.createKey(of);
  const inner =
    xmlElement('UserName', of.name) +
    xmlElement('AccessKeyId', key.accessKeyId) +
    statusOf(key) +
    xmlElement('SecretAccessKey', key.secretAccessKey) +
    xmlElement('CreateDate', isoSecond(key.createdMs));
  return `<AccessKey>${inner}</AccessKey>`;
};

export const listAccessKeys: QueryAction = async (call) => {
  const { iam, of } = await meant(call, 'user', { isOwn: true });
  const userName = xmlElement('UserName', of.name);
  const page = pageXml(call, 'AccessKeyMetadata', await iam.listKeys(of), {
    key: ({ accessKeyId }) => accessKeyId,
    xml: (key) =>
      userName +
      xmlElement('AccessKeyId', key.accessKeyId) +
      statusOf(key) +
      xmlElement('CreateDate', isoSecond(key.createdMs)),
  });
  return userName + page;
};

export const updateAccessKey: QueryAction = async (call) => {
  const { iam, of } = await meant(call, 'user', { isOwn: true });
  const status = required(call, 'Status');
  if (status !== 'Active' && status !== 'Inactive') {
    throw invalid('Status', 'Member must satisfy enum value set: [Active, Inactive]', status);
  }
  await iam.setKeyActive(of, checked(call, 'AccessKeyId', KEY_ID), status === 'Active');
  return undefined;
};

export const deleteAccessKey: QueryAction = async (call) => {
  const { iam, of } = await meant(call, 'user', { isOwn: true });
  await iam.deleteKey(of, checked(call, 'AccessKeyId', KEY_ID));
  return undefined;
};

/** Of users' keys alone: those of the file are not watched. */
export const getAccessKeyLastUsed: QueryAction = async (call) => {
  const id = checked(call, 'AccessKeyId', KEY_ID);
  const { account } = call.user;
  if (call.caller.own === undefined) checkMay(call, arnOf('user', { account, name: '*' }));
  const iam = await call.openIam();
  const { name, last } = await iam.useOfKey(account, id).catch((error: unknown) => {
    // Who may not ask may not know whether there is one either.
    checkMay(call, arnOf('user', { account, name: '*' }));
    throw error;
  });
  checkMay(call, arnOf('user', { account, name }, (await iam.find('user', { account, name }))?.path));
  const used = last === undefined ? '' : xmlElement('LastUsedDate', isoSecond(last.usedMs));
  const service = xmlElement('ServiceName', last?.service ?? 'N/A');
  const region = xmlElement('Region', last === undefined ? 'N/A' : call.region);
  return `${xmlElement('UserName', name)}<AccessKeyLastUsed>${used}${service}${region}</AccessKeyLastUsed>`;
};
