/**
 * What a page of a listing looked like when it was last written out: the store gives the same page again while it is still
 * true (object/page-cache.ts), and then its text need not be made anew. It lives as long as the page does.
 */
import type { ObjectEntry } from './object/contract.ts';

export class RenderedPages<Text> {
  readonly #last = new WeakMap<readonly ObjectEntry[], { readonly shape: string; readonly text: Text }>();

  /** `shape`: all that decides over the text besides the entries. One is remembered for each page. */
  get(entries: readonly ObjectEntry[], shape: string, render: () => Text): Text {
    const last = this.#last.get(entries);
    if (last?.shape === shape) return last.text;
    const text = render();
    this.#last.set(entries, { shape, text });
    return text;
  }
}
