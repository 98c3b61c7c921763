/** A multipart upload from begin to complete or abort, as one write of the object. */
import { createHash } from 'node:crypto';
import { type ObjectInfo, storeFaults } from '../../proxy/object/contract.ts';
import {
  type Action,
  type Attempt,
  CONTEXT,
  chooseObject,
  contentTypeOf,
  isUnknown,
  noContainer,
  noteContainer,
  noteRefusedWrite,
  noteWrite,
} from './attempt.ts';
import { etagOfBody, makeBody, sourceOf } from './body.ts';
import { stateOf } from './history.ts';

export function multipartAction(attempt: Attempt): Action {
  const { id, chance, history, proxy } = attempt;
  const { store } = proxy;
  const ref = chooseObject(attempt);
  const body = makeBody(id, 2_000 + chance.below(60_000));
  const partEtag = etagOfBody(body);
  const etag = `${createHash('md5').update(partEtag, 'hex').digest('hex')}-1`;
  history.etags.set(id, etag);
  const aborts = chance.often(0.2);
  const repeats = chance.often(0.3);
  let completing = false;
  const upload = async (): Promise<ObjectInfo | undefined> => {
    const { uploadId } = await store.createUpload(CONTEXT, ref, { contentType: contentTypeOf(id) });
    await store.putPart(CONTEXT, ref, { uploadId, partNumber: 1 }, { body: sourceOf(body) });
    if (aborts) {
      await store.abortUpload(CONTEXT, ref, uploadId);
      return undefined;
    }
    completing = true;
    const parts = [{ partNumber: 1, etag: partEtag }];
    const info = await store.completeUpload(CONTEXT, ref, uploadId, { parts });
    if (repeats) {
      const again = await store.completeUpload(CONTEXT, ref, uploadId, { parts });
      if (again.etag !== info.etag || again.stamp !== info.stamp)
        throw new Error('a repeated Complete answers differently');
    }
    return info;
  };
  return {
    text: `multipart ${ref.container}/${ref.object} ${body.length} bytes ${etag.slice(0, 6)}${aborts ? ', aborted' : ''}`,
    writes: ref,
    run: upload,
    settle(outcome, end) {
      // Where it met no container is not known: maybe only at the second Complete.
      if (!noContainer(outcome)) noteContainer(attempt, ref.container, outcome, end);
      const apply = () => stateOf(id, etag);
      if (!completing) return;
      const certain = outcome.value !== undefined;
      if (certain) return noteWrite(attempt, ref, { text: 'complete', end, apply });
      if (isUnknown(outcome) || repeats)
        return noteWrite(attempt, ref, { text: 'complete', end: Number.POSITIVE_INFINITY, apply });
      if (noContainer(outcome)) return noteRefusedWrite(attempt, ref, { text: 'complete', apply });
      if (outcome.fault?.code !== storeFaults.noSuchUpload)
        throw new Error(`complete: unexpected ${outcome.fault?.code}`);
    },
  };
}
