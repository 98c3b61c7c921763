/**
 * What a name in a container with versions holds, as one state of the model: its versions and delete markers, newest first.
 * Each is known by the number of the operation that made it, because who was not answered does not know the id. Pure.
 */
import type { Apply } from './history.ts';
import type { State } from './model.ts';

export const UNKNOWN_ID = '?';
export const NULL_ID = 'null';

export interface Layer {
  readonly made: number;
  readonly marker: boolean;
  readonly id: string;
  /** Legal hold, or retention without end. */
  readonly lock: '' | 'held' | 'retained';
}

const BETWEEN = ' | ';

const parsed = new Map<State, readonly Layer[]>();
const PARSED_MAX = 10_000;

export function readStack(state: State): readonly Layer[] {
  if (state === '') return [];
  const known = parsed.get(state);
  if (known) return known;
  if (parsed.size >= PARSED_MAX) parsed.clear();
  const layers = parse(state);
  parsed.set(state, layers);
  return layers;
}

function parse(state: State): readonly Layer[] {
  return state.split(BETWEEN).map((text) => {
    const [kind = '', made = '', id = '', lock = ''] = text.split(' ');
    return { made: Number(made), marker: kind === 'marker', id, lock: lock as Layer['lock'] };
  });
}

export function stackState(layers: readonly Layer[]): State {
  return layers
    .map(({ made, marker, id, lock }) => [marker ? 'marker' : 'version', made, id, lock].join(' ').trimEnd())
    .join(BETWEEN);
}

/** What plain requests get. */
export function shownLayer(state: State): Layer | undefined {
  const [top] = readStack(state);
  return top?.marker ? undefined : top;
}

export const findLayer = (state: State, made: number): Layer | undefined =>
  readStack(state).find((layer) => layer.made === made);

/** A new layer on top, which takes the place of the null version when it is one; undefined when it is there already. */
export const push =
  (layer: Layer, holds: (state: State) => boolean = () => true): Apply =>
  (state) => {
    if (!holds(state) || findLayer(state, layer.made)) return undefined;
    const rest = readStack(state).filter(({ id }) => layer.id !== NULL_ID || id !== NULL_ID);
    return stackState([layer, ...rest]);
  };

/** Undefined when it is locked, or not there; of two deleters that meet, both may be told that it was there: `meets`. */
export const take =
  (wanted: (layer: Layer) => boolean, { meets }: { readonly meets: boolean }): Apply =>
  (state) => {
    const layers = readStack(state);
    const found = layers.find(wanted);
    if (found ? found.lock !== '' : !meets) return undefined;
    return stackState(layers.filter((layer) => layer !== found));
  };

export const setHold =
  (made: number, isHeld: boolean): Apply =>
  (state) => {
    const layers = readStack(state);
    if (!layers.some((layer) => layer.made === made)) return undefined;
    const lock = isHeld ? 'held' : '';
    return stackState(
      layers.map((layer) => (layer.made === made && layer.lock !== 'retained' ? { ...layer, lock } : layer)),
    );
  };
