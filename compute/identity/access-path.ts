/**
 * Paths of access rules: literal text with `*` and `{name}` (one segment or part of one, not empty) and `**` (anything, also
 * nothing). Rules come from users and paths from whoever uses them, so this takes time in proportion to both, never more: all
 * places a match can have come to are followed at once, instead of an expression that tries again.
 */
const WILDCARD = /(\*\*|\*|\{[^{}/]*\})/;

type Piece = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'part' | 'any' };

export function matchesPath(pattern: string, path: string): boolean {
  let places = new Set([0]);
  for (const piece of parse(pattern)) {
    places = step(piece, path, places);
    if (places.size === 0) return false;
  }
  return places.has(path.length);
}

/** Odd ones are wildcards. */
function parse(pattern: string): Piece[] {
  return pattern.split(WILDCARD).map((text, index) => {
    if (index % 2 === 0) return { kind: 'text', text };
    return { kind: text === '**' ? 'any' : 'part' };
  });
}

function step(piece: Piece, path: string, places: ReadonlySet<number>): Set<number> {
  const next = new Set<number>();
  if (piece.kind === 'text') {
    for (const at of places) if (path.startsWith(piece.text, at)) next.add(at + piece.text.length);
    return next;
  }
  if (piece.kind === 'any') {
    for (let at = Math.min(...places); at <= path.length; at++) next.add(at);
    return next;
  }
  let running = false;
  for (let at = 0; at < path.length; at++) {
    running = (running || places.has(at)) && path[at] !== '/';
    if (running) next.add(at + 1);
  }
  return next;
}
