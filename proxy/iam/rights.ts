/**
 * What the policies of users, groups and roles come to: a policy's document is read once, whoever it is attached to, and
 * what changes in it, or in a group, holds for everybody at the next question. Whatever cannot be read, or is of a later
 * version, or is not here, forbids everything.
 */
import type { CallerPolicies } from '../object/contract.ts';
import { callerPolicies, joined, NOTHING } from '../object/identity-policy.ts';
import { AWS_DOCUMENTS } from './aws-policies.ts';
import { arnOf, FORMAT, type IamHolder, type IamPolicy, type IamUser } from './contract.ts';
import { ownerOf } from './records.ts';

export class Rights {
  /** Of managed policies, by ARN. */
  readonly #documents = new Map<string, CallerPolicies>();
  /** ARNs, by joinKey(account, name). */
  readonly #arns = new Map<string, string>();
  /** By joinKey(account, name). */
  readonly #groups = new Map<string, CallerPolicies>();

  clear(): void {
    for (const map of [this.#documents, this.#arns, this.#groups]) map.clear();
  }

  setPolicy(owner: string, row: IamPolicy | undefined): void {
    this.#documents.delete(this.#arns.get(owner) ?? '');
    this.#arns.delete(owner);
    if (row === undefined) return;
    const arn = arnOf('policy', row, row.path);
    const document = row.versions.find(({ id }) => id === row.inForce)?.document;
    this.#arns.set(owner, arn);
    this.#documents.set(arn, document === undefined || isLater(row) ? NOTHING : read([document]));
  }

  setGroup(owner: string, row: IamHolder | undefined): void {
    if (row === undefined) this.#groups.delete(owner);
    else this.#groups.set(owner, this.of(row));
  }

  /** A managed one. */
  policy(arn: string): CallerPolicies | undefined {
    return this.#documents.get(arn) ?? ofAws(arn);
  }

  of(row: IamUser): CallerPolicies {
    if (isLater(row)) return NOTHING;
    const { account, policies, attached = [], groups = [] } = row;
    const own = read(Object.values(policies));
    if (attached.length === 0 && groups.length === 0) return own;
    const owners = groups.map((name) => ownerOf({ account, name }));
    return joined(own, [
      ...attached.map((arn) => () => this.policy(arn) ?? NOTHING),
      ...owners.map((owner) => () => this.#groups.get(owner) ?? NOTHING),
    ]);
  }
}

const isLater = ({ format = FORMAT }: { readonly format?: number }): boolean => format > FORMAT;

/** Those of AWS, each read when the first one asks. */
const ofAwsRead = new Map<string, CallerPolicies>();

export function ofAws(arn: string): CallerPolicies | undefined {
  const document = AWS_DOCUMENTS.get(arn);
  if (document === undefined) return undefined;
  const found = ofAwsRead.get(arn) ?? read([document]);
  ofAwsRead.set(arn, found);
  return found;
}

function read(documents: readonly string[]): CallerPolicies {
  try {
    return callerPolicies(documents);
  } catch {
    return NOTHING;
  }
}
