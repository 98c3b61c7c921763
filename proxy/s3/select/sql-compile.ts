/**
 * Expressions as functions of a row. What can be decided once is decided here: names of functions, how many arguments they
 * take, patterns that never change. A path is bound by whoever knows the rows.
 */
import { assert } from '../../../fabric/assert.ts';
import { s3Fault } from '../errors.ts';
import { type Accumulator, createAccumulator } from './aggregate.ts';
import { compileLike, type Matcher } from './like.ts';
import { AGGREGATES, FUNCTIONS, type FunctionWorld } from './sql-functions.ts';
import type { Literal, Step } from './sql-rewrite.ts';
import type { Comparison, Expr } from './sql-types.ts';
import {
  cast,
  compare,
  compute,
  isEqual,
  isNumeric,
  isUnknown,
  numberKey,
  readNumber,
  textOf,
  toNumeric,
} from './sql-values.ts';
import { Timestamp } from './timestamp.ts';
import type { Known, Value } from './value-types.ts';

export type Evaluate<Row> = (row: Row) => Value;

/** How rows of a kind are looked into; faults of names that no row can have. */
export type BindPath<Row> = (steps: readonly Step[]) => Evaluate<Row>;

export interface Aggregate<Row> {
  readonly accumulator: Accumulator;
  readonly of: Evaluate<Row>;
}

/** Faults UnsupportedFunction, EvaluatorInvalidArguments and of what literals say. */
export class Compiler<Row> {
  readonly #bind: BindPath<Row>;
  readonly #world: FunctionWorld;
  /** Fed by whoever goes through the rows. */
  readonly aggregates: Aggregate<Row>[] = [];
  /** A path outside of all aggregates. */
  hasPlainPath = false;
  #inAggregate = false;

  constructor(bind: BindPath<Row>, world: FunctionWorld) {
    this.#bind = bind;
    this.#world = world;
  }

  compile(expr: Expr): Evaluate<Row> {
    switch (expr.kind) {
      case 'path':
        if (!this.#inAggregate) this.hasPlainPath = true;
        return this.#bind(expr.steps);
      case 'literal': {
        const value = literalValue(expr.literal);
        return () => value;
      }
      case 'and':
      case 'or':
        return this.#logical(expr.of, expr.kind === 'or');
      case 'not': {
        const of = this.#truth(expr.of);
        return (row) => invert(of(row));
      }
      case 'negate':
      case 'plus':
        return this.#signed(expr.of, expr.kind);
      case 'is': {
        const of = this.compile(expr.of);
        const { what, not } = expr;
        // As in PartiQL: what is missing is null, too.
        return (row) => {
          const value = of(row);
          return (what === 'missing' ? value === undefined : isUnknown(value)) !== not;
        };
      }
      case 'compare':
        return this.#comparison(expr.op, expr.left, expr.right);
      case 'arithmetic': {
        const [left, right] = [this.compile(expr.left), this.compile(expr.right)];
        return (row) => compute(expr.op, left(row), right(row));
      }
      case 'join':
        return this.#join(expr.left, expr.right);
      case 'like':
        return this.#like(expr);
      case 'in':
        return this.#in(expr);
      case 'between':
        return this.#between(expr);
      case 'case':
        return this.#case(expr);
      case 'cast': {
        const of = this.compile(expr.of);
        return (row) => cast(of(row), expr.to);
      }
      case 'call':
        return this.#call(expr);
    }
  }

  /** True, false, or null for unknown. */
  #truth(expr: Expr): (row: Row) => boolean | null {
    const evaluate = this.compile(expr);
    return (row) => {
      const value = evaluate(row);
      return typeof value === 'boolean' ? value : null;
    };
  }

  #logical(of: readonly Expr[], decisive: boolean): Evaluate<Row> {
    const all = of.map((each) => this.#truth(each));
    return (row) => {
      let result: boolean | null = !decisive;
      for (const each of all) {
        const value = each(row);
        if (value === decisive) return decisive;
        if (value === null) result = null;
      }
      return result;
    };
  }

  #signed(expr: Expr, kind: 'negate' | 'plus'): Evaluate<Row> {
    const of = this.compile(expr);
    return (row) => {
      const value = of(row);
      if (isUnknown(value)) return value;
      return kind === 'plus' ? toNumeric(value) : compute('-', 0n, value);
    };
  }

  #comparison(op: Comparison, left: Expr, right: Expr): Evaluate<Row> {
    return comparison(op, this.compile(left), this.compile(right));
  }

  #join(leftExpr: Expr, rightExpr: Expr): Evaluate<Row> {
    const [left, right] = [this.compile(leftExpr), this.compile(rightExpr)];
    return (row) => {
      const [a, b] = [left(row), right(row)];
      return isUnknown(a) || isUnknown(b) ? null : textOf(a) + textOf(b);
    };
  }

  #like({ of: ofExpr, pattern, escapedBy, not }: Extract<Expr, { kind: 'like' }>): Evaluate<Row> {
    const of = this.compile(ofExpr);
    const matcher = this.#matcher(pattern, escapedBy);
    return (row) => {
      const [value, match] = [of(row), matcher(row)];
      if (isUnknown(value) || match === null) return null;
      if (typeof value !== 'string') throw s3Fault('LikeInvalidInputs', 'LIKE compares strings.');
      return match(value) !== not;
    };
  }

  #matcher(pattern: Expr, escapedBy: Expr | undefined): (row: Row) => Matcher | null {
    const [get, getEscape] = [this.compile(pattern), escapedBy && this.compile(escapedBy)];
    const make = (value: Value, with_: Value): Matcher | null => {
      if (isUnknown(value) || (getEscape && isUnknown(with_))) return null;
      if (typeof value !== 'string' || (getEscape && typeof with_ !== 'string')) throw s3Fault('LikeInvalidInputs');
      return compileLike(value, with_ as string | undefined);
    };
    const isConstant = pattern.kind === 'literal' && (escapedBy === undefined || escapedBy.kind === 'literal');
    if (!isConstant) return (row) => make(get(row), getEscape?.(row));
    const nothing = undefined as Row;
    const made = make(get(nothing), getEscape?.(nothing));
    return () => made;
  }

  #in({ of: ofExpr, list, not }: Extract<Expr, { kind: 'in' }>): Evaluate<Row> {
    const of = this.compile(ofExpr);
    const literals = new Set<string>();
    const others: Evaluate<Row>[] = [];
    for (const each of list) {
      const key = each.kind === 'literal' ? keyOf(literalValue(each.literal)) : undefined;
      if (key !== undefined) literals.add(key);
      else others.push(this.compile(each));
    }
    return (row) => {
      const value = of(row);
      if (isUnknown(value)) return null;
      if (literals.size > 0 && isAmong(literals, value)) return !not;
      let isUnsure = false;
      for (const other of others) {
        const one = other(row);
        if (isUnknown(one)) isUnsure = true;
        else if (isEqual(value, one)) return !not;
      }
      return isUnsure ? null : not;
    };
  }

  #between({ of: ofExpr, low, high, not }: Extract<Expr, { kind: 'between' }>): Evaluate<Row> {
    const of = this.compile(ofExpr);
    let value: Value;
    const held = (): Value => value;
    const [above, below] = [comparison('>=', held, this.compile(low)), comparison('<=', held, this.compile(high))];
    return (row) => {
      value = of(row);
      const [first, second] = [above(row), below(row)];
      if (first === false || second === false) return not;
      return first === true && second === true ? !not : null;
    };
  }

  #case({ of, whens, otherwise }: Extract<Expr, { kind: 'case' }>): Evaluate<Row> {
    const subject = of && this.compile(of);
    let value: Value;
    const held = (): Value => value;
    const cases = whens.map(({ when, result }) => ({
      when: subject ? comparison('=', held, this.compile(when)) : this.compile(when),
      result: this.compile(result),
    }));
    const last = otherwise ? this.compile(otherwise) : () => null;
    return (row) => {
      // What is held is of the innermost case under way: conditions are judged before another one begins.
      const mine = subject?.(row);
      for (const { when, result } of cases) {
        value = mine;
        if (when(row) === true) return result(row);
      }
      return last(row);
    };
  }

  #call({ name, args, star }: Extract<Expr, { kind: 'call' }>): Evaluate<Row> {
    if (AGGREGATES.has(name)) return this.#aggregate(name, args, star);
    const called = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
    const shown = name.split('_')[0] === 'trim' ? 'TRIM' : name.toUpperCase();
    if (called === undefined) throw s3Fault('UnsupportedFunction', `${shown} is not a function that is supported.`);
    if (star) throw s3Fault('ParseUnsupportedCallWithStar');
    if (args.length < called.min || args.length > called.max) {
      throw s3Fault('EvaluatorInvalidArguments', `${shown} does not take ${args.length} arguments.`);
    }
    const compiled = args.map((each) => this.compile(each));
    const world = this.#world;
    return (row) => {
      const values = compiled.map((each) => each(row));
      if (called.takesUnknown || !values.some(isUnknown)) return called.run(values as readonly Known[], world);
      return null;
    };
  }

  #aggregate(name: string, args: readonly Expr[], star: boolean): Evaluate<Row> {
    if (star && name !== 'count') throw s3Fault('ParseUnsupportedCallWithStar');
    if (!star && args.length !== 1) throw s3Fault('ParseNonUnaryAgregateFunctionCall');
    if (this.#inAggregate) throw s3Fault('UnsupportedSqlStructure', 'An aggregate inside of an aggregate.');
    this.#inAggregate = true;
    // A row that is missing altogether, as wildcards make it, is not counted either.
    const of: Evaluate<Row> = star ? (row) => (row === undefined ? undefined : true) : this.compile(args[0] as Expr);
    this.#inAggregate = false;
    const accumulator = createAccumulator(name);
    this.aggregates.push({ accumulator, of });
    return () => accumulator.result();
  }
}

const invert = (value: boolean | null): boolean | null => (value === null ? null : !value);

function isInOrder(op: Exclude<Comparison, '=' | '!='>, order: number): boolean {
  if (op === '<') return order < 0;
  if (op === '<=') return order <= 0;
  return op === '>' ? order > 0 : order >= 0;
}

function comparison<Row>(op: Comparison, left: Evaluate<Row>, right: Evaluate<Row>): Evaluate<Row> {
  return (row) => {
    const [a, b] = [left(row), right(row)];
    if (isUnknown(a) || isUnknown(b)) return null;
    if (op === '=') return isEqual(a, b);
    if (op === '!=') return !isEqual(a, b);
    const order = compare(a, b);
    return order === undefined ? null : isInOrder(op, order);
  };
}

/** Of literals: text, and numbers by what they are worth, so that a long list is not gone through for each row. */
function keyOf(value: Value): string | undefined {
  if (typeof value === 'string') return `'${value}`;
  return isNumeric(value) ? numberKey(value) : undefined;
}

/** As isEqual has it: text is a number where it says one. */
function isAmong(literals: ReadonlySet<string>, value: Known): boolean {
  const key = keyOf(value);
  if (key === undefined) return literals.has(`'${textOf(value)}`);
  if (literals.has(key)) return true;
  if (typeof value !== 'string') return literals.has(`'${textOf(value)}`);
  const number = readNumber(value);
  return number !== undefined && literals.has(numberKey(number));
}

export function literalValue(literal: Literal): Value {
  if ('string' in literal) return literal.string;
  if ('constant' in literal) return literal.constant;
  if ('number' in literal) {
    const value = readNumber(literal.number);
    if (value === undefined) throw s3Fault('NumberFormatError');
    return value;
  }
  assert('timestamp' in literal, 'a literal of one kind');
  const value = Timestamp.parse(literal.timestamp);
  if (value === undefined) throw s3Fault('LexerInvalidIONLiteral');
  return value;
}
