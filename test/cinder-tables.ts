/** The tables of docs/api-cinder.md, made from the routes that Cinder serves and the rules it asks. */
import type { Cinder } from '../block/cinder/cinder.ts';
import { CINDER_POLICY } from '../block/cinder/policy-defaults.ts';
import { cinderRoutes } from '../block/cinder/routes.ts';
import { SETTINGS_DEFAULT } from '../block/cinder/settings.ts';
import { BASE_RULES } from '../control/policy/defaults.ts';
import type { Route } from '../control/service/types.ts';
import { code, table } from './api-tables.ts';

export const CINDER_TABLES: Readonly<Record<string, () => string>> = { operations, refused, policy, settings };

const REFUSED = 'refused, ';

/** Routes are declared without touching what they are about. */
const routes = (): Route[] => cinderRoutes({} as Cinder);
const isRefused = ({ note = '' }: Route): boolean => note.startsWith(REFUSED);
const request = ({ method, path, action }: Route): string =>
  code(`${method} ${path}`) + (action === undefined ? '' : ` ${code(action)}`);

function operations(): string {
  const rows = routes()
    .filter((one) => !isRefused(one))
    .map((one) => {
      const { name, status = one.method === 'DELETE' ? 204 : 200, policy: rule = '', min, max, note = '' } = one;
      const versions = min === undefined && max === undefined ? '' : `${min ?? ''}–${max ?? ''}`;
      return [request(one), name, String(status), versions, code(rule), note];
    });
  return table(['request', 'operation', 'status', 'versions', 'rule', 'notes'], rows);
}

function refused(): string {
  const rows = routes()
    .filter(isRefused)
    .map((one) => {
      const [status = '', ...why] = (one.note ?? '').slice(REFUSED.length).split(': ');
      return [request(one), one.min ?? '', status, why.join(': ')];
    });
  return table(['request', 'since', 'status', 'why'], rows);
}

function policy(): string {
  const byCheck = new Map<string, string[]>();
  for (const [name, check] of Object.entries(CINDER_POLICY)) {
    if (!Object.hasOwn(BASE_RULES, name)) byCheck.set(check, [...(byCheck.get(check) ?? []), code(name)]);
  }
  return table(
    ['check', 'rules'],
    [...byCheck].map(([check, names]) => [code(check), names.join(', ')]),
  );
}

function settings(): string {
  const rows = Object.entries(SETTINGS_DEFAULT).map(([name, value]) => [code(name), code(JSON.stringify(value))]);
  return table(['setting', 'default'], rows);
}
