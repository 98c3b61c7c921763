/**
 * Which routes a path leads to: a tree of segments in which a literal wins over a parameter, with a step back where it leads
 * nowhere. Knows nothing of versions, bodies and rights.
 */
import type { Method, Route } from './types.ts';

interface Node {
  readonly literals: Map<string, Node>;
  param: Node | undefined;
  /** By method; several where microversions or actions tell them apart. */
  readonly routes: Map<Method, Route[]>;
}

export interface Found {
  readonly routes: ReadonlyMap<Method, readonly Route[]>;
  /** Segments in the places of parameters, not decoded. */
  readonly values: readonly string[];
}

const makeNode = (): Node => ({ literals: new Map(), param: undefined, routes: new Map() });

export class Router {
  readonly #root = makeNode();

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#add(route);
  }

  #add(route: Route): void {
    let node = this.#root;
    for (const segment of split(route.path)) {
      if (segment.startsWith('{')) {
        node.param ??= makeNode();
        node = node.param;
      } else {
        const next = node.literals.get(segment) ?? makeNode();
        node.literals.set(segment, next);
        node = next;
      }
    }
    for (const method of route.head ? ([route.method, 'HEAD'] as const) : [route.method]) {
      node.routes.set(method, [...(node.routes.get(method) ?? []), route]);
    }
  }

  find(path: string): Found | undefined {
    const values: string[] = [];
    const node = descend(this.#root, split(path), 0, values);
    return node && { routes: node.routes, values };
  }
}

function descend(node: Node, segments: readonly string[], at: number, values: string[]): Node | undefined {
  const segment = segments[at];
  if (segment === undefined) return node.routes.size > 0 ? node : undefined;
  const literal = node.literals.get(segment);
  const found = literal && descend(literal, segments, at + 1, values);
  if (found || node.param === undefined || segment === '') return found;
  values.push(segment);
  const under = descend(node.param, segments, at + 1, values);
  if (under === undefined) values.pop();
  return under;
}

/** One slash at the end makes no difference. */
function split(path: string): string[] {
  const segments = path.split('/').slice(1);
  if (segments.at(-1) === '') segments.pop();
  return segments;
}

export function paramNames(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string);
}
