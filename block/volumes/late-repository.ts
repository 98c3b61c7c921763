/** A repository that is opened when it is first needed, and tried again when that failed: the object store may come up later. */
import type { Repository } from '../repository/contract.ts';

export function lateRepository(open: () => Promise<Repository>): Repository {
  let opening: Promise<Repository> | undefined;
  const opened = async (): Promise<Repository> => {
    opening ??= open();
    try {
      return await opening;
    } catch (error) {
      opening = undefined;
      throw error;
    }
  };
  return {
    list: async (lineage) => (await opened()).list(lineage),
    get: async (ref) => (await opened()).get(ref),
    beginUpload: async (options) => (await opened()).beginUpload(options),
    uploads: async (lineage) => (await opened()).uploads(lineage),
    abandonUpload: async (ref) => (await opened()).abandonUpload(ref),
    open: async (ref) => (await opened()).open(ref),
    delete: async (ref) => (await opened()).delete(ref),
    async *compare(older, newer) {
      yield* (await opened()).compare(older, newer);
    },
    check: async (ref) => (await opened()).check(ref),
    statistics: async (ref) => (await opened()).statistics(ref),
    collector: async (options) => (await opened()).collector(options),
  };
}
