// Reads TypeScript just well enough for tidy: what is code, what is text, and what is imported.
// Not a parser: TypeScript 7 has none to offer to JavaScript. Offsets and line breaks are kept throughout.

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

const REGEX_BEFORE =
  /(?:^|[(,=:[!&|?{;+\-*%<>~^}]|\b(?:return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield))$/;

/** The same text with the inside of comments, strings, templates and regular expressions blanked. */
export function maskText(text: string): string {
  const scanner = new Scanner(text);
  scanner.code(false);
  return scanner.masked();
}

class Scanner {
  readonly #text: string;
  readonly #out: string[] = [];
  #at = 0;
  /** The last code on the way, for telling a division from a regular expression. */
  #tail = '';

  constructor(text: string) {
    this.#text = text;
  }

  masked(): string {
    return this.#out.join('');
  }

  /** Copies code to the end, or to the brace that closes a template's hole. */
  code(inHole: boolean): void {
    let depth = 0;
    while (this.#at < this.#text.length) {
      const two = this.#text.slice(this.#at, this.#at + 2);
      const one = two.charAt(0);
      if (two === '//') this.#blankTo(this.#find('\n', this.#at));
      else if (two === '/*') this.#blankTo(this.#find('*/', this.#at + 2) + 2);
      else if (one === "'" || one === '"') this.#quoted(one);
      else if (one === '`') this.#template();
      else if (one === '/' && this.#regexEnd() > 0) this.#blankTo(this.#regexEnd());
      else {
        if (one === '{') depth += 1;
        if (one === '}') depth -= 1;
        if (inHole && depth < 0) return;
        this.#copy(1);
      }
    }
  }

  #quoted(quote: string): void {
    this.#copy(1);
    this.#blankTo(this.#literalEnd(quote));
    this.#copy(1);
  }

  #template(): void {
    this.#copy(1);
    while (this.#at < this.#text.length && this.#text[this.#at] !== '`') {
      if (this.#text.startsWith('${', this.#at)) {
        this.#copy(2);
        this.code(true);
        this.#copy(1);
      } else this.#blankTo(this.#at + (this.#text[this.#at] === '\\' ? 2 : 1));
    }
    this.#copy(1);
  }

  #literalEnd(quote: string): number {
    let at = this.#at;
    while (at < this.#text.length && this.#text[at] !== quote && this.#text[at] !== '\n') {
      at += this.#text[at] === '\\' ? 2 : 1;
    }
    return at;
  }

  /** Where the regular expression that starts here ends, or 0 when this is a division. */
  #regexEnd(): number {
    if (!REGEX_BEFORE.test(this.#tail.trimEnd())) return 0;
    let inClass = false;
    for (let at = this.#at + 1; at < this.#text.length; at += 1) {
      const char = this.#text[at];
      if (char === '\n') return 0;
      if (char === '\\') at += 1;
      else if (char === '[') inClass = true;
      else if (char === ']') inClass = false;
      else if (char === '/' && !inClass) return at + 1;
    }
    return 0;
  }

  #copy(count: number): void {
    const piece = this.#text.slice(this.#at, this.#at + count);
    this.#out.push(piece);
    this.#tail = (this.#tail + piece).slice(-16);
    this.#at += count;
  }

  #blankTo(end: number): void {
    this.#out.push(this.#text.slice(this.#at, end).replace(/[^\n]/g, ' '));
    this.#at = Math.min(end, this.#text.length);
  }

  #find(what: string, from: number): number {
    const found = this.#text.indexOf(what, from);
    return found < 0 ? this.#text.length : found;
  }
}

const IMPORT_FORMS = [
  /\b(?:import|export)\b[^'";()]*?\bfrom\s*(?=['"])/g,
  /\bimport\s*(?=['"])/g,
  /\b(?:import|require)\s*\(\s*(?=['"`])/g,
];

/** Every module that the text imports or re-exports, types included, in any form. */
export function listImports(text: string, masked: string = maskText(text)): Import[] {
  return IMPORT_FORMS.flatMap((form) =>
    [...masked.matchAll(form)].map((match) => {
      const open = match.index + match[0].length;
      const close = text.indexOf(text.charAt(open), open + 1);
      return { specifier: text.slice(open + 1, close), line: lineOf(text, match.index) };
    }),
  );
}

/** 1 is the first line. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
