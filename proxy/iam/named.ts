/** IAM: what is done alike with users, groups and roles: listed, given another name, deleted. */
import { arnOf, type HolderKind, type IamRows } from './contract.ts';
import { matching, pageXml, type QueryAction } from './query-call.ts';
import { checkMay, inPath, meant, meantAll, NAME_PATTERNS, pathOf } from './subjects.ts';

export const list =
  <K extends HolderKind>(kind: K, element: string, xml: (row: IamRows[K]) => string): QueryAction =>
  async (call) => {
    const iam = await meantAll(call, kind);
    const rows = (await iam.list(kind, call.user.account)).filter(inPath(call));
    return pageXml(call, element, rows, { key: ({ name }) => name, xml });
  };

export const rename =
  (kind: 'user' | 'group', field: string): QueryAction =>
  async (call) => {
    const { iam, of } = await meant(call, kind);
    const { parameters } = call;
    const name = matching(field, parameters.get(field) ?? of.name, NAME_PATTERNS[kind]);
    const path = parameters.has('NewPath') ? pathOf(call, 'NewPath') : undefined;
    // It must be right to have one of that name as well.
    checkMay(call, arnOf(kind, { ...of, name }, path));
    await iam.rename(kind, of, { name, ...(path !== undefined && { path }) });
    return undefined;
  };

export const remove =
  (kind: HolderKind): QueryAction =>
  async (call) => {
    const { iam, of } = await meant(call, kind);
    await iam.delete(kind, of);
    return undefined;
  };

/** What none of them ever has, and tools look for before they delete one. */
export const none =
  (kind: HolderKind, element: string, { isOwn = false } = {}): QueryAction =>
  async (call) => {
    const { iam, of } = await meant(call, kind, { isOwn });
    await iam.get(kind, of);
    return `<${element}></${element}><IsTruncated>false</IsTruncated>`;
  };
