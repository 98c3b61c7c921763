/** IAM: groups of users, whose policies are those of everybody in them. */
import { groupXml, userXml } from './entities.ts';
import { checked, pageXml, type QueryAction } from './query-call.ts';
import { meant, meantNew, NAME_PATTERNS } from './subjects.ts';

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
