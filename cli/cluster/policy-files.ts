/** The operator's own rules of who may do what, read when the cluster starts: a mistake ends the start, in one line. */
import { readFileSync } from 'node:fs';
import { CINDER_POLICY } from '../../block/cinder/policy-defaults.ts';
import { IDENTITY_POLICY } from '../../compute/identity/api/policy-defaults.ts';
import { parsePolicyFile } from '../../control/policy/policy-file.ts';
import { createPolicy } from '../../control/policy/rules.ts';
import { Fault } from '../../fabric/errors.ts';

export type PolicyRules = Readonly<Record<string, unknown>>;

const DEFAULTS = { identity: IDENTITY_POLICY, volume: CINDER_POLICY } as const;

/** Fault BadConfig names the file, and the rule if it is one. Without a file there are none. */
export function readPolicy(service: keyof typeof DEFAULTS, file: string | undefined): PolicyRules {
  if (file === undefined) return {};
  try {
    const overrides = parsePolicyFile(readFileSync(file, 'utf8'));
    createPolicy({ defaults: DEFAULTS[service], overrides });
    return overrides;
  } catch (error) {
    throw new Fault('BadConfig', { file }, `${service}-policy: ${file}: ${(error as Error).message}`);
  }
}
