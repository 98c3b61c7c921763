/** openstacksdk and keystoneauth: their steps are functions in openstacksdk_steps.py, run one a process. */
import { fileURLToPath } from 'node:url';
import { findPython, missingPython } from '../tools.ts';
import { run, versionFrom } from './command.ts';
import type { RealClient, Step } from './contract.ts';
import { openstackEnv, volumesMissing } from './openstack.ts';

/** Beside the source: the compiler does not copy it. */
const SCRIPT = fileURLToPath(new URL('../../../test/clients/openstacksdk_steps.py', import.meta.url));

const step =
  (name: string): Step =>
  async (place): Promise<string | undefined> => {
    const reason = name === 'volumes' ? volumesMissing() : undefined;
    if (reason !== undefined) return reason;
    await run(place, [findPython('openstack') as string, SCRIPT, name], { env: openstackEnv(place) });
    return undefined;
  };

export const openstackSdk: RealClient = {
  name: 'openstacksdk',
  apis: ['cloud', 'swift'],
  missing: () => missingPython('openstack'),
  version: () =>
    versionFrom(findPython('openstack') ?? 'python3', '-c', 'import openstack; print(openstack.version.__version__)'),
  steps: {
    'every plugin of keystoneauth': step('sessions'),
    'domains, projects, users, groups, roles, services': step('identity'),
    'containers and segmented objects': step('objects'),
    'volumes, snapshots, backups, limits': step('volumes'),
  },
};
