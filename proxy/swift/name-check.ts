/** Names that the operator does not want: forbidden characters, lengths and patterns of whole paths (name_check). */
import type { NameCheck } from '../swift-options.ts';
import { refuse, swiftFaults } from './faults.ts';

/** Of a decoded path. Throws 400. */
export type CheckPath = (path: string) => void;

export function createNameCheck({ forbiddenChars, lengthMax, forbiddenPattern }: NameCheck): CheckPath {
  const pattern = forbiddenPattern === '' ? undefined : new RegExp(forbiddenPattern);
  const what = 'Object/Container/Account name';
  return (path) => {
    for (const character of forbiddenChars) {
      if (path.includes(character))
        throw refuse(swiftFaults.badRequest, `${what} contains forbidden chars from ${forbiddenChars}`);
    }
    if (Buffer.byteLength(path) > lengthMax)
      throw refuse(swiftFaults.badRequest, `${what} longer than the allowed maximum ${lengthMax}`);
    if (pattern?.test(path)) {
      const text = `${what} contains a forbidden substring from regular expression ${forbiddenPattern}`;
      throw refuse(swiftFaults.badRequest, text);
    }
  };
}
