/** The tables of docs/identity.md, made from the routes that identity serves and the rules it asks. */
import { IDENTITY_POLICY } from '../compute/identity/api/policy-defaults.ts';
import { identityRoutes } from '../compute/identity/routes.ts';
import type { Identity } from '../compute/identity/service-state.ts';
import { SETTINGS_DEFAULT } from '../compute/identity/settings.ts';
import { code, table } from './api-tables.ts';

export const IDENTITY_TABLES: Readonly<Record<string, () => string>> = {
  operations,
  policy,
  settings,
};

function operations(): string {
  // Routes are declared without touching what they are about.
  const rows = identityRoutes({} as Identity).map(
    ({ name, method, path, status, policy = '', head, note = '', auth }) => {
      const also = head ? ', HEAD' : '';
      const rule = policy === '' ? (auth === 'none' ? 'no token' : '') : code(policy.replace('identity:', ''));
      return [code(`${method} ${path}`) + also, name, String(status ?? (method === 'DELETE' ? 204 : 200)), rule, note];
    },
  );
  return table(['request', 'operation', 'status', 'rule', 'notes'], rows);
}

function policy(): string {
  const byCheck = new Map<string, string[]>();
  for (const [name, check] of Object.entries(IDENTITY_POLICY)) {
    byCheck.set(check, [...(byCheck.get(check) ?? []), name.replace('identity:', '')]);
  }
  return table(
    ['check', 'rules'],
    [...byCheck].map(([check, names]) => [code(check), names.join(', ')]),
  );
}

function settings(): string {
  const rows = Object.entries(SETTINGS_DEFAULT).map(([name, value]) => [
    code(name),
    code(JSON.stringify(value) ?? 'none'),
  ]);
  return table(['setting', 'default'], rows);
}
