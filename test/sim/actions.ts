/** The operations a client may ask for, what they mean to the registers of the model, and what their answers say. */
import { type ObjectInfo, type ObjectRef, storeFaults } from '../../proxy/object/contract.ts';
import {
  ACCOUNT,
  type Action,
  type Attempt,
  CONTEXT,
  chooseObject,
  containerRegister,
  contentTypeOf,
  isUnknown,
  learnEtag,
  noContainer,
  note,
  noteContainer,
  noteRefusedRow,
  noteRefusedWrite,
  noteVanishing,
  noteWrite,
  objectRegister,
  operationOf,
} from './attempt.ts';
import { etagOfBody, makeBody, readAll, sourceOf } from './body.ts';
import { ABSENT, type Apply, etagOf, expect, isAbsent, isPresent, stateOf, write } from './history.ts';
import { listAction } from './list-action.ts';
import { listVersionsAction } from './list-versions-action.ts';
import { multipartAction } from './multipart-action.ts';
import { versionActions } from './version-actions.ts';
import type { Mode } from './version-book.ts';

const shown = (ref: ObjectRef): string => `${ref.container}/${ref.object}`;

function sizeFor({ chance, mix }: Attempt): number {
  if (chance.often(mix.blobShare)) return 65_537 + chance.below(80_000);
  return chance.often(0.1) ? 4_000 + chance.below(5_000) : 24 + chance.below(200);
}

type Precondition = 'none' | 'absent' | 'etag';

function put(attempt: Attempt, precondition: Precondition): Action {
  const { id, chance, history, proxy } = attempt;
  const ref = chooseObject(attempt);
  const body = makeBody(id, sizeFor(attempt));
  const etag = etagOfBody(body);
  history.etags.set(id, etag);
  const known = [...history.etags.values()].slice(-12);
  const wanted =
    precondition === 'etag' ? (known.filter((one) => one !== etag).at(-1 - chance.below(6)) ?? 'none') : '';
  const conditions = { none: undefined, absent: { ifNoneMatch: '*' as const }, etag: { ifMatch: [wanted] } }[
    precondition
  ];
  const holds = (state: string): boolean =>
    precondition === 'none' ||
    (precondition === 'absent' ? isAbsent(state) : isPresent(state) && ['?', wanted].includes(etagOf(state)));
  const text = { none: 'put', absent: 'put if absent', etag: `put if ${wanted.slice(0, 6)}` }[precondition];
  return {
    text: `${text} ${shown(ref)} ${body.length} bytes ${etag.slice(0, 6)}`,
    writes: ref,
    run: () =>
      proxy.store.putObject(CONTEXT, ref, { body: sourceOf(body), contentType: contentTypeOf(id), conditions }),
    settle(outcome, end) {
      noteContainer(attempt, ref.container, outcome, end);
      const apply: Apply = (state) => (holds(state) ? stateOf(id, etag) : undefined);
      if (isUnknown(outcome)) noteWrite(attempt, ref, { text, end: Number.POSITIVE_INFINITY, apply });
      else if (outcome.fault === undefined) noteWrite(attempt, ref, { text, end, apply });
      else if (noContainer(outcome)) noteRefusedWrite(attempt, ref, { text, apply });
      else {
        noteRefused(attempt, ref, { code: outcome.fault.code, end, wanted });
        noteRefusedRow(attempt, ref, text);
      }
    },
  };
}

/** 412 and 404 say something of the state, too. */
function noteRefused(
  attempt: Attempt,
  ref: ObjectRef,
  { code, end, wanted }: { code: string; end: number; wanted: string },
): void {
  if (code === storeFaults.noSuchObject) {
    note(attempt, objectRegister(ref), { text: 'refused: absent', end, pure: true, apply: expect(isAbsent) });
  } else if (code === storeFaults.preconditionFailed) {
    const apply = expect((state) => isPresent(state) && (wanted === '' || etagOf(state) !== wanted));
    note(attempt, objectRegister(ref), { text: 'refused: precondition', end, pure: true, apply });
  } else throw new Error(`put: unexpected ${code}`);
}

function remove(attempt: Attempt): Action {
  const { proxy } = attempt;
  const ref = chooseObject(attempt);
  return {
    text: `delete ${shown(ref)}`,
    run: () => proxy.store.deleteObject(CONTEXT, ref),
    settle(outcome, end) {
      const existed = (outcome.value as { existed: boolean } | undefined)?.existed;
      // "There was nothing" is true without a container, too.
      if (existed || outcome.fault) noteContainer(attempt, ref.container, outcome, end);
      if (isUnknown(outcome))
        noteWrite(attempt, ref, { text: 'delete', end: Number.POSITIVE_INFINITY, apply: write(ABSENT) });
      else if (existed) noteWrite(attempt, ref, { text: 'delete', end, apply: write(ABSENT) });
      else if (noContainer(outcome)) noteRefusedWrite(attempt, ref, { text: 'delete', apply: write(ABSENT) });
      else note(attempt, objectRegister(ref), { text: 'delete of nothing', end, pure: true, apply: expect(isAbsent) });
    },
  };
}

function read(attempt: Attempt, kind: 'get' | 'head'): Action {
  const { proxy, history } = attempt;
  const ref = chooseObject(attempt);
  return {
    text: `${kind} ${shown(ref)}`,
    async run() {
      if (kind === 'head') return proxy.store.headObject(CONTEXT, ref);
      const object = await proxy.store.getObject(CONTEXT, ref);
      const body = await readAll(object);
      checkBody(object.info, body);
      return object.info;
    },
    settle(outcome, end) {
      if (isUnknown(outcome)) return;
      if (outcome.fault) {
        noteContainer(attempt, ref.container, outcome, end);
        note(attempt, objectRegister(ref), { text: `${kind}: nothing`, end, pure: true, apply: expect(isAbsent) });
        return;
      }
      const info = outcome.value as ObjectInfo;
      const id = operationOf(info.contentType);
      learnEtag(history, id, info.etag);
      const state = stateOf(id, info.etag);
      note(attempt, objectRegister(ref), {
        text: `${kind}: ${state}`,
        end,
        pure: true,
        apply: expect((held) => held === state),
      });
    },
  };
}

function checkBody(info: ObjectInfo, body: Buffer): void {
  if (body.length !== info.sizeBytes)
    throw new Error(`${info.name}: ${body.length} bytes instead of ${info.sizeBytes}`);
  if (!info.etag.includes('-') && etagOfBody(body) !== info.etag)
    throw new Error(`${info.name}: bytes do not match the ETag`);
}

function post(attempt: Attempt): Action {
  const { id, proxy, history } = attempt;
  const ref = chooseObject(attempt);
  return {
    text: `post ${shown(ref)}`,
    writes: ref,
    run: () => proxy.store.updateObject(CONTEXT, ref, { contentType: contentTypeOf(id), user: { post: String(id) } }),
    settle(outcome, end) {
      noteContainer(attempt, ref.container, outcome, end);
      const info = outcome.value as ObjectInfo | undefined;
      if (info) learnEtag(history, id, info.etag);
      const apply: Apply = (state) => {
        const etag = history.etags.get(id);
        if (!isPresent(state)) return undefined;
        const held = etagOf(state);
        return etag === undefined || held === '?' || held === etag ? stateOf(id, etag ?? held) : undefined;
      };
      if (isUnknown(outcome)) noteWrite(attempt, ref, { text: 'post', end: Number.POSITIVE_INFINITY, apply });
      else if (noContainer(outcome)) noteRefusedWrite(attempt, ref, { text: 'post', apply });
      else if (outcome.fault)
        note(attempt, objectRegister(ref), { text: 'post: nothing', end, pure: true, apply: expect(isAbsent) });
      else noteWrite(attempt, ref, { text: 'post', end, apply });
    },
  };
}

function copy(attempt: Attempt): Action {
  const { id, proxy, history } = attempt;
  const source = chooseObject(attempt);
  const target = chooseObject(attempt);
  return {
    text: `copy ${shown(source)} to ${shown(target)}`,
    run: () =>
      proxy.store.copyObject(CONTEXT, target, {
        source,
        directive: 'replace',
        attributes: { contentType: contentTypeOf(id) },
      }),
    settle(outcome, end) {
      const apply: Apply = () => stateOf(id, history.etags.get(id) ?? '?');
      if (isUnknown(outcome)) return noteWrite(attempt, target, { text: 'copy', end: Number.POSITIVE_INFINITY, apply });
      if (outcome.fault?.code === storeFaults.noSuchObject) {
        return note(attempt, objectRegister(source), {
          text: 'copy of nothing',
          end,
          pure: true,
          apply: expect(isAbsent),
        });
      }
      if (outcome.fault) return noteRefusedWrite(attempt, target, { text: 'copy', apply });
      const { info, source: from } = outcome.value as { info: ObjectInfo; source: ObjectInfo };
      learnEtag(history, id, info.etag);
      learnEtag(history, operationOf(from.contentType), from.etag);
      const state = stateOf(operationOf(from.contentType), from.etag);
      note(attempt, objectRegister(source), {
        text: `copied: ${state}`,
        end,
        pure: true,
        apply: expect((held) => held === state),
      });
      noteWrite(attempt, target, { text: 'copy', end, apply });
    },
  };
}

function createContainer(attempt: Attempt, exclusive: boolean): Action {
  const { chance, mix, proxy, id } = attempt;
  const container = chance.pick(mix.containers);
  const register = containerRegister(container);
  const apply: Apply = (state) => (isAbsent(state) ? `made by ${id}` : undefined);
  const text = exclusive ? 'create exclusively' : 'create';
  const s3 = mix.stacks ? { s3: mix.stacks[container] ?? {} } : mix.versioned ? { s3: { versioning: 'Enabled' } } : {};
  return {
    text: `${text} ${container}`,
    run: () => proxy.store.createContainer(CONTEXT, { account: ACCOUNT, container }, { exclusive, ...s3 }),
    settle(outcome, end) {
      if (isUnknown(outcome)) return note(attempt, register, { text, end: Number.POSITIVE_INFINITY, apply });
      const created = (outcome.value as { created: boolean } | undefined)?.created;
      if (created) noteModeOf(attempt, container, end);
      if (created) note(attempt, register, { text, end, apply });
      else if (created === false || outcome.fault?.code === storeFaults.containerExists) {
        note(attempt, register, { text: `${text}: there already`, end, pure: true, apply: expect(isPresent) });
      } else throw new Error(`create: unexpected ${outcome.fault?.code}`);
    },
  };
}

function noteModeOf({ mix, history, start }: Attempt, container: string, end: number): void {
  const s3 = mix.stacks?.[container];
  if (s3) history.versions.changed({ container, start, end, mode: (s3['versioning'] as Mode | undefined) ?? 'Off' });
}

function deleteContainer(attempt: Attempt): Action {
  const { chance, mix, proxy } = attempt;
  const container = chance.pick(mix.containers);
  const register = containerRegister(container);
  const apply: Apply = (state) => (isPresent(state) ? ABSENT : undefined);
  return {
    text: `delete container ${container}`,
    run: () => proxy.store.deleteContainer(CONTEXT, { account: ACCOUNT, container }),
    settle(outcome, end) {
      if (isUnknown(outcome) || !outcome.fault) {
        for (const object of mix.objects) noteVanishing(attempt, { account: ACCOUNT, container, object });
      }
      if (isUnknown(outcome)) note(attempt, register, { text: 'delete', end: Number.POSITIVE_INFINITY, apply });
      else if (outcome.fault) noteContainer(attempt, container, outcome, end);
      else note(attempt, register, { text: 'delete', end, apply });
    },
  };
}

export const actions = {
  put: (attempt: Attempt) => put(attempt, 'none'),
  putIfAbsent: (attempt: Attempt) => put(attempt, 'absent'),
  putIfMatch: (attempt: Attempt) => put(attempt, 'etag'),
  delete: remove,
  get: (attempt: Attempt) => read(attempt, 'get'),
  head: (attempt: Attempt) => read(attempt, 'head'),
  post,
  copy,
  list: listAction,
  multipart: multipartAction,
  create: (attempt: Attempt) => createContainer(attempt, false),
  createExclusively: (attempt: Attempt) => createContainer(attempt, true),
  deleteContainer,
  ...versionActions,
  stackList: listVersionsAction,
} as const satisfies Readonly<Record<string, (attempt: Attempt) => Action>>;
