/** Reads an operator's policy file, YAML or JSON (which is YAML): a mapping of rule to check. The only file that imports yaml. */
import { parse } from 'yaml';
import { PolicyError } from './parse.ts';

const FILE_BYTES_MAX = 1024 * 1024;

/** Throws PolicyError. An empty file overrides nothing. */
export function parsePolicyFile(text: string): Record<string, unknown> {
  if (text.length > FILE_BYTES_MAX) throw new PolicyError('the policy file is too large');
  let value: unknown;
  try {
    // Aliases could blow a small file up.
    value = parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw new PolicyError(`the policy file is not YAML: ${(error as Error).message}`);
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw new PolicyError('a policy file maps rules to checks');
  return value as Record<string, unknown>;
}
