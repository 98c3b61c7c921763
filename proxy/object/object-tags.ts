/** Tags of objects: the ones a new object gets, and replacing those of an object which is there. */
import type { ContainerRecord } from '../../account-container/contract.ts';
import { authoriseTags } from './authorise.ts';
import { changeObject } from './change-object.ts';
import type { Context, ObjectInfo, ObjectRef, Tags } from './contract.ts';
import type { Engine } from './engine.ts';
import { announcedChange } from './events.ts';
import { checkTags, keptTags } from './tags.ts';

/** The tags to store with a new object. Faults InvalidTag, TooManyTags, AccessDenied. */
export function newTags(container: ContainerRecord, context: Context, ref: ObjectRef, tags: Tags): Tags | undefined {
  const checked = keptTags(checkTags(tags, 'object'));
  if (checked) authoriseTags(context, ref, container);
  return checked;
}

/** None removes them, which is a right of its own. */
export function setObjectTags(engine: Engine, context: Context, ref: ObjectRef, tags: Tags): Promise<ObjectInfo> {
  const checked = keptTags(checkTags(tags, 'object'));
  const event = checked ? 'ObjectTagging:Put' : 'ObjectTagging:Delete';
  return announcedChange(engine, { context, ref, event }, () =>
    changeObject(engine, context, ref, {
      action: 's3:PutObjectTagging',
      change: (record) => ({ ...record, tags: checked }),
    }),
  );
}
