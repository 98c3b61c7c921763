/** gophercloud, which Terraform's provider is made of: a program of steps, built from Debian's sources at the first one. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { missing } from '../tools.ts';
import { run, versionFrom } from './command.ts';
import type { Place, RealClient, Step } from './contract.ts';
import { openstackEnv, volumesMissing } from './openstack.ts';

const SOURCE = fileURLToPath(new URL('../../../test/clients/gophercloud/main.go', import.meta.url));
/** golang-github-gophercloud-gophercloud-dev. */
const PACKAGES = '/usr/share/gocode';
const LIBRARY = path.join(PACKAGES, 'src/github.com/gophercloud/gophercloud');

async function built(place: Place): Promise<string> {
  const program = path.join(place.folder, 'steps');
  const env = { GO111MODULE: 'off', GOPATH: PACKAGES, GOCACHE: path.join(place.folder, 'cache') };
  if (!existsSync(program)) await run(place, ['go', 'build', '-o', program, SOURCE], { env });
  return program;
}

const step =
  (name: string): Step =>
  async (place): Promise<string | undefined> => {
    const reason = name === 'blockstorage' ? volumesMissing() : undefined;
    if (reason !== undefined) return reason;
    await run(place, [await built(place), name], { env: openstackEnv(place) });
    return undefined;
  };

export const gophercloud: RealClient = {
  name: 'gophercloud',
  apis: ['cloud', 'swift'],
  missing: () => missing('go') || (existsSync(LIBRARY) ? false : `gophercloud is not in ${LIBRARY}`),
  version: () =>
    versionFrom('dpkg-query', '--show', '--showformat=${Version}', 'golang-github-gophercloud-gophercloud-dev'),
  steps: {
    'logins, application credential with rules, validate, revoke': step('auth'),
    'domains, projects, users, groups, roles, endpoints': step('identity'),
    'account, containers, objects, copy, bulk delete': step('objectstorage'),
    'volumes, snapshots, attachments, backups, quotas, services': step('blockstorage'),
  },
};
