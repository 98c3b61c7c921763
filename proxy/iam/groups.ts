/** IAM: groups of users, whose policies are those of everybody in them. */
import { arnOf } from './contract.ts';
import { groupXml, userXml } from './entities.ts';
import { checked, matching, pageXml, type QueryAction } from './query-call.ts';
import { checkMay, inPath, meant, meantAll, meantNew, NAME_PATTERNS, pathOf } from './subjects.ts';

const byName = ({ name }: { readonly name: string }): string => name;

export const createGroup: QueryAction = async (call) => {
  const { iam, of, path } = await meantNew(call, 'group');
  return `<Group>${groupXml(await iam.create('group', { ...of, path, policies: {} }))}</Group>`;
};

export const getGroup: QueryAction = async (call) => {
  const { iam, of } = await meant(call, 'group');
  const group = `<Group>${groupXml(await iam.get('group', of))}</Group>`;
  return group + pageXml(call, 'Users', await iam.members(of), { key: byName, xml: userXml });
};

export const updateGroup: QueryAction = async (call) => {
  const { iam, of } = await meant(call, 'group');
  const { parameters } = call;
  const name = matching('NewGroupName', parameters.get('NewGroupName') ?? of.name, NAME_PATTERNS.group);
  const path = parameters.has('NewPath') ? pathOf(call, 'NewPath') : undefined;
  checkMay(call, arnOf('group', { ...of, name }, path));
  await iam.rename('group', of, { name, ...(path !== undefined && { path }) });
  return undefined;
};

export const deleteGroup: QueryAction = async (call) => {
  const { iam, of } = await meant(call, 'group');
  await iam.delete('group', of);
  return undefined;
};

export const listGroups: QueryAction = async (call) => {
  const iam = await meantAll(call, 'group');
  const rows = (await iam.list('group', call.user.account)).filter(inPath(call));
  return pageXml(call, 'Groups', rows, { key: byName, xml: groupXml });
};

/** The right to it is one about the group. */
export const setMember =
  (isIn: boolean): QueryAction =>
  async (call) => {
    const { iam, of } = await meant(call, 'group');
    await iam.setMember(of, checked(call, 'UserName', NAME_PATTERNS.user), isIn);
    return undefined;
  };

export const listGroupsForUser: QueryAction = async (call) => {
  const { iam, of } = await meant(call, 'user');
  const names = new Set((await iam.get('user', of)).groups);
  const rows = names.size === 0 ? [] : (await iam.list('group', of.account)).filter(({ name }) => names.has(name));
  return pageXml(call, 'Groups', rows, { key: byName, xml: groupXml });
};
