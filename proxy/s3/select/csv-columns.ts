/** Columns of a CSV file by name or place, as expressions speak of them. */
import { s3Fault } from '../errors.ts';
import type { BindPath } from './sql-compile.ts';
import type { Step } from './sql-rewrite.ts';

const PLACE = /^_(\d{1,9})$/;

type Row = readonly string[];

export class CsvColumns {
  readonly #alias: string;
  readonly #usesHeader: boolean;
  #header: Row | undefined;
  /** Paths that wait for the header. */
  readonly #unresolved: (() => void)[] = [];
  readonly #names: string[] = [];

  constructor(alias: string, usesHeader: boolean) {
    this.#alias = alias.toLowerCase();
    this.#usesHeader = usesHeader;
  }

  /** Fault MissingHeaderName, AmbiguousFieldName for what a path asks for. */
  setHeader(header: Row): void {
    if (!this.#usesHeader || this.#header) return;
    this.#header = header;
    for (const resolve of this.#unresolved) resolve();
  }

  names(count: number): readonly string[] {
    for (let i = this.#names.length; i < count; i++) this.#names.push(this.#header?.[i] || `_${i + 1}`);
    return this.#names;
  }

  readonly bind: BindPath<Row> = (steps) => {
    const step = this.#column(steps);
    const place = PLACE.exec(step.name)?.[1];
    if (place !== undefined) {
      const index = Number(place) - 1;
      if (index < 0) throw s3Fault('InvalidColumnIndex');
      return (row) => row[index];
    }
    if (!this.#usesHeader) {
      throw s3Fault(
        'EvaluatorBindingDoesNotExist',
        `There is no column ${JSON.stringify(step.name)}: no header is used.`,
      );
    }
    let index = -1;
    const resolve = (): void => {
      index = this.#find(step);
    };
    if (this.#header) resolve();
    else this.#unresolved.push(resolve);
    return (row) => row[index];
  };

  /** The one name that is left without the table's. */
  #column(steps: readonly Step[]): Extract<Step, { name: string }> {
    const [first, ...others] = steps as readonly [Step, ...Step[]];
    const isAliased = 'name' in first && first.name.toLowerCase() === this.#alias && others.length > 0;
    const [step, ...more] = isAliased ? others : steps;
    if (!isAliased && others.length > 0) throw s3Fault('InvalidTableAlias');
    if (more.length > 0 || step === undefined || !('name' in step)) {
      throw s3Fault('InvalidKeyPath', 'A column of a CSV file has nothing inside.');
    }
    return step;
  }

  #find({ name, quoted }: Extract<Step, { name: string }>): number {
    const header = this.#header ?? [];
    const wanted = quoted ? name : name.toLowerCase();
    const matches = (each: string): boolean => (quoted ? each : each.toLowerCase()) === wanted;
    const index = header.findIndex(matches);
    if (index < 0) throw s3Fault('MissingHeaderName', `The file has no header ${JSON.stringify(name)}.`);
    if (header.findLastIndex(matches) !== index) throw s3Fault('AmbiguousFieldName');
    return index;
  }
}
