/** IAM: tags of users, roles and managed policies. */
import type { IamDirectory, IamRows, Named } from './contract.ts';
import { readTags, tagXml, withoutTags, withTags } from './entities.ts';
import { invalid, listOf, pageXml, type QueryAction, type QueryCall } from './query-call.ts';
import { meant, meantPolicy } from './subjects.ts';

type Tagged = 'user' | 'role' | 'policy';

const subject = (call: QueryCall, kind: Tagged, isChange: boolean): Promise<{ iam: IamDirectory; of: Named }> =>
  kind === 'policy' ? meantPolicy(call, { isChange }) : meant(call, kind);

export const tag =
  (kind: Tagged): QueryAction =>
  async (call) => {
    const { iam, of } = await subject(call, kind, true);
    const more = readTags(call);
    if (more.length === 0) throw invalid('tags', 'Member must not be null');
    await iam.change(kind, of, (row) => withField(row, withTags(row.tags ?? [], more)));
    return undefined;
  };

export const untag =
  (kind: Tagged): QueryAction =>
  async (call) => {
    const { iam, of } = await subject(call, kind, true);
    const keys = listOf(call, 'TagKeys').map((fields) => fields.get('') ?? '');
    if (keys.length === 0) throw invalid('tagKeys', 'Member must not be null');
    await iam.change(kind, of, (row) => withField(row, withoutTags(row.tags ?? [], keys)));
    return undefined;
  };

export const listTags =
  (kind: Tagged): QueryAction =>
  async (call) => {
    const { iam, of } = await subject(call, kind, false);
    const { tags = [] } = await iam.get(kind, of);
    return pageXml(call, 'Tags', tags, { key: ({ key }) => key, xml: tagXml });
  };

const withField = <K extends Tagged>(row: IamRows[K], tags: IamRows[K]['tags']): IamRows[K] => ({ ...row, tags });
