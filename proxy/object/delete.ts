/** DELETE of an object: a tombstone in its register and one in its row, in one round. What is not there is not written. */
import { Fault } from '../../fabric/errors.ts';
import { commit, objectKey } from './commit.ts';
import { type Conditions, type Context, type ObjectRef, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { lookUp } from './get.ts';
import { gravestoneHead } from './object-format.ts';
import { writable } from './put.ts';

export async function deleteObject(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  conditions?: Conditions,
): Promise<{ existed: boolean }> {
  const container = await writable(engine, context, ref);
  const found = await lookUp(engine, container, ref.object, false);
  if (!found) {
    const fresh = await engine.containers.findFresh(ref);
    if (fresh && fresh.incarnation !== container.incarnation) return deleteObject(engine, context, ref, conditions);
    if (conditions?.ifMatch !== undefined) throw new Fault(storeFaults.noSuchObject);
    return { existed: false };
  }
  const key = objectKey(engine, container, ref.object);
  const { account, container: containerName, object: name } = ref;
  await commit(engine, {
    container,
    name,
    writes: (stamp) => [{ head: gravestoneHead({ account, container: containerName, name }, key, stamp) }],
    row: undefined,
    conditions,
  });
  return { existed: true };
}
