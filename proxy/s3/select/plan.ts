/** A query as something that rows are given to, one by one: filter, projection or aggregates, limit. */
import { s3Fault } from '../errors.ts';
import type { Input } from './input.ts';
import type { RowWriter } from './output.ts';
import { Compiler, type Evaluate } from './sql-compile.ts';
import type { FunctionWorld } from './sql-functions.ts';
import type { Column, Query } from './sql-types.ts';

export interface Plan<Row> {
  add(row: Row): void;
  /** After the last row. */
  finish(): void;
  /** No further row can change the result. */
  readonly isDone: boolean;
}

export interface PlanParts<Row> {
  readonly input: Input<Row>;
  readonly writer: RowWriter;
  readonly world: FunctionWorld;
}

/** Faults of expressions that make no sense, whatever the rows are. */
export function createPlan<Row>(query: Query, { input, writer, world }: PlanParts<Row>): Plan<Row> {
  const passes = filterOf(query, input, world);
  const { columns, limit = Number.POSITIVE_INFINITY } = query;
  let left = limit;
  const write = (row: Row, evaluate: readonly Evaluate<Row>[] | undefined, names: readonly string[]): void => {
    left--;
    if (evaluate)
      return writer.write(
        names,
        evaluate.map((each) => each(row)),
      );
    const all = input.all(row);
    writer.write(all.names, all.values);
  };
  const compiler = new Compiler(input.bind, world);
  const evaluate = columns?.map(({ expr }) => compiler.compile(expr));
  const names = columns?.map(nameOf) ?? [];
  const { aggregates } = compiler;
  if (aggregates.length > 0 && compiler.hasPlainPath) {
    throw s3Fault('UnsupportedSqlStructure', 'Aggregates and columns cannot be selected together.');
  }
  const isAggregate = aggregates.length > 0;
  return {
    add(row) {
      if (!passes(row)) return;
      if (!isAggregate) return write(row, evaluate, names);
      for (const { accumulator, of } of aggregates) accumulator.add(of(row));
    },
    finish() {
      // What aggregates are combined with needs no row.
      if (isAggregate && left > 0) write(undefined as Row, evaluate, names);
    },
    get isDone() {
      return left <= 0;
    },
  };
}

function filterOf<Row>({ where }: Query, input: Input<Row>, world: FunctionWorld): (row: Row) => boolean {
  if (!where) return () => true;
  const compiler = new Compiler(input.bind, world);
  const condition = compiler.compile(where);
  if (compiler.aggregates.length > 0) throw s3Fault('UnsupportedSqlStructure', 'An aggregate in WHERE.');
  return (row) => condition(row) === true;
}

/** Its alias, or the last name of its path, or its place. */
function nameOf({ expr, alias }: Column, index: number): string {
  if (alias !== undefined) return alias;
  const last = expr.kind === 'path' ? expr.steps.at(-1) : undefined;
  return last && 'name' in last ? last.name : `_${index + 1}`;
}
