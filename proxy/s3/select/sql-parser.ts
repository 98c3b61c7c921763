/**
 * An expression of S3 Select as a Query. The only file that imports pgsql-ast-parser, which is loaded with the first
 * request; sql-rewrite.ts says what it gets to see.
 */
import { type Expr as Node, parseFirst, type SelectedColumn, type SelectFromStatement } from 'pgsql-ast-parser';
import { s3Fault } from '../errors.ts';
import { EXPRESSION_BYTES_MAX, type Operand, type Rewritten, rewrite, type Step } from './sql-rewrite.ts';
import type { Arithmetic, Column, Comparison, Expr, Query } from './sql-types.ts';
import { GRAMMAR, TYPES } from './sql-words.ts';

const COMPARISONS: ReadonlySet<string> = new Set(['=', '!=', '<', '<=', '>', '>=']);
const ARITHMETIC: ReadonlySet<string> = new Set(['+', '-', '*', '/', '%']);
const UNARY = { NOT: 'not', '-': 'negate', '+': 'plus' } as const;
const TABLE = 's3object';

/** Faults of SELECT_CODES that are about an expression. */
export function parseQuery(expression: string): Query {
  if (Buffer.byteLength(expression) > EXPRESSION_BYTES_MAX) throw s3Fault('ExpressionTooLong');
  const rewritten = rewrite(expression);
  return new Reader(rewritten).query(parse(rewritten));
}

function parse(rewritten: Rewritten): SelectFromStatement {
  let statement: unknown;
  try {
    statement = parseFirst(rewritten.sql);
  } catch (error) {
    throw syntaxFault(rewritten, error as { token?: { offset?: number } });
  }
  const { type } = statement as { type: string };
  if (type !== 'select') throw s3Fault('UnsupportedSqlOperation');
  return statement as SelectFromStatement;
}

/** The parser's message is about its own text; only the place is taken from it. */
function syntaxFault({ sql, tokenAt, fault }: Rewritten, error: { token?: { offset?: number } }): Error {
  const offset = error.token?.offset;
  if (offset === undefined) {
    if (!/ from /.test(sql)) return fault('ParseSelectMissingFrom', undefined, 'No FROM');
    return fault('ParseExpectedExpression', undefined, 'The expression ends too early,');
  }
  const token = tokenAt(offset);
  if (/^select from /.test(sql)) return fault('ParseEmptySelect', token, 'Nothing is selected');
  const what = `Unexpected ${JSON.stringify(token.text)}`;
  if (token.kind === 'word' && GRAMMAR.has(token.lower)) return fault('ParseUnExpectedKeyword', token, what);
  if (token.kind !== 'operator' || '(),'.includes(token.text)) return fault('ParseUnexpectedToken', token, what);
  return fault('ParseUnexpectedOperator', token, what);
}

class Reader {
  readonly #rewritten: Rewritten;

  constructor(rewritten: Rewritten) {
    this.#rewritten = rewritten;
  }

  query({ columns, from, where, ...more }: SelectFromStatement): Query {
    if (!columns || columns.length === 0) throw s3Fault('ParseEmptySelect');
    if (!from) throw this.#fault('ParseSelectMissingFrom', undefined, 'No FROM');
    // `type` is all that is left of a statement that has nothing more.
    if (Object.keys(more).length > 1) throw s3Fault('UnsupportedSyntax');
    const source = this.#from(from);
    return {
      columns: this.#columns(columns, source.alias),
      ...source,
      where: where ? this.#expr(where) : undefined,
      limit: this.#rewritten.limit,
    };
  }

  get #fault(): Rewritten['fault'] {
    return this.#rewritten.fault;
  }

  #operand(name: string): Operand {
    const operand = this.#rewritten.operands[Number(name)];
    if (operand === undefined) throw s3Fault('UnsupportedSyntax');
    return operand;
  }

  #from(sources: NonNullable<SelectFromStatement['from']>): Pick<Query, 'from' | 'alias'> {
    const [source] = sources;
    if (sources.length > 1) throw s3Fault('MultipleDataSourcesUnsupported');
    if (source?.type !== 'table' || source.name.schema !== undefined) throw s3Fault('UnsupportedSqlStructure');
    const operand = this.#operand(source.name.name);
    const [table, each, ...from] = operand.kind === 'path' ? operand.steps : [];
    if (table === undefined || !('name' in table) || table.name.toLowerCase() !== TABLE) {
      throw this.#fault('InvalidTableAlias', operand, 'FROM must name S3Object,');
    }
    if (each !== undefined && !('wildcard' in each && each.wildcard === 'items')) {
      throw this.#fault('InvalidKeyPath', operand, 'A path must begin with S3Object[*],');
    }
    const alias = source.name.alias;
    if (alias !== undefined) return { from, alias: this.#name(alias) };
    if (each === undefined) return { from, alias: table.name };
    const last = from.at(-1);
    return { from, alias: last && 'name' in last ? last.name : '_1' };
  }

  /** Of an alias, where only a name may be. */
  #name(placeholder: string): string {
    const operand = this.#operand(placeholder);
    const [step, ...others] = operand.kind === 'path' ? operand.steps : [];
    if (step && 'name' in step && others.length === 0) return step.name;
    throw this.#fault('ParseExpectedIdentForAlias', operand, 'No name for an alias');
  }

  #columns(columns: readonly SelectedColumn[], alias: string): Query['columns'] {
    if (columns.some(({ expr }) => isStar(expr))) {
      if (columns.length > 1) throw s3Fault('ParseAsteriskIsNotAloneInSelectList');
      return undefined;
    }
    const read = columns.map(({ expr, alias: as }): Column => {
      return { expr: this.#expr(expr), alias: as ? this.#name(as.name) : undefined };
    });
    const wild = read.filter(({ expr }) => expr.kind === 'path' && expr.steps.some((step) => 'wildcard' in step));
    if (wild.length === 0) return read;
    const [{ expr, alias: as }] = wild as [Column];
    const steps = expr.kind === 'path' ? expr.steps : [];
    const isAll = steps.length === 2 && isNamed(steps[0], alias) && 'wildcard' in (steps[1] as Step);
    if (isAll && as === undefined && read.length === 1) return undefined;
    throw s3Fault('ParseInvalidContextForWildcardInSelectList');
  }

  #expr(node: Node): Expr {
    switch (node.type) {
      case 'ref':
        return this.#reference(node.name);
      case 'binary':
        return this.#binary(node.op, node.left, node.right);
      case 'unary':
        return this.#unary(node.op, node.operand);
      case 'ternary': {
        const [of, low, high] = [this.#expr(node.value), this.#expr(node.lo), this.#expr(node.hi)];
        return { kind: 'between', not: node.op === 'NOT BETWEEN', of, low, high };
      }
      case 'case': {
        const whens = node.whens.map(({ when, value }) => ({ when: this.#expr(when), result: this.#expr(value) }));
        const [of, otherwise] = [node.value, node.else].map((each) => (each ? this.#expr(each) : undefined));
        return { kind: 'case', of, whens, otherwise };
      }
      case 'cast': {
        const name = 'name' in node.to ? node.to.name : '';
        if (!Object.hasOwn(TYPES, name)) throw s3Fault('InvalidDataType');
        return { kind: 'cast', of: this.#expr(node.operand), to: TYPES[name as keyof typeof TYPES] };
      }
      case 'call': {
        if (node.function.schema !== undefined || node.distinct) throw s3Fault('UnsupportedSyntax');
        const star = node.args.length === 1 && isStar(node.args[0] as Node);
        const args = star ? [] : node.args.map((each) => this.#expr(each));
        return { kind: 'call', name: node.function.name, args, star };
      }
      default:
        throw s3Fault('UnsupportedSyntax');
    }
  }

  #reference(name: string): Expr {
    if (name === '*') throw s3Fault('ParseInvalidContextForWildcardInSelectList');
    const operand = this.#operand(name);
    // Only IN is followed by one.
    if (operand.kind === 'list') throw this.#fault('ParseUnexpectedToken', operand, 'Unexpected list');
    return operand;
  }

  #unary(op: string, of: Node): Expr {
    const is = /^IS (NOT )?(NULL|TRUE)$/.exec(op);
    // What says TRUE said MISSING.
    if (is) {
      const what = is[2] === 'NULL' ? 'null' : 'missing';
      return { kind: 'is', what, not: is[1] !== undefined, of: this.#expr(of) };
    }
    if (!Object.hasOwn(UNARY, op)) throw s3Fault('UnsupportedSyntax');
    return { kind: UNARY[op as keyof typeof UNARY], of: this.#expr(of) };
  }

  #binary(op: string, left: Node, right: Node): Expr {
    if (op === 'AND' || op === 'OR') return this.#logical(op, left, right);
    if (op === 'LIKE' || op === 'NOT LIKE') {
      const hasEscape = right.type === 'binary' && right.op === '#-';
      const [pattern, escapedBy] = hasEscape ? [right.left, right.right] : [right, undefined];
      const not = op === 'NOT LIKE';
      return {
        ...{ kind: 'like', not, of: this.#expr(left), pattern: this.#expr(pattern) },
        escapedBy: escapedBy && this.#expr(escapedBy),
      };
    }
    if (op === 'IN' || op === 'NOT IN') {
      return { kind: 'in', not: op === 'NOT IN', of: this.#expr(left), list: this.#list(right) };
    }
    const sides = { left: this.#expr(left), right: this.#expr(right) };
    if (COMPARISONS.has(op)) return { kind: 'compare', op: op as Comparison, ...sides };
    if (ARITHMETIC.has(op)) return { kind: 'arithmetic', op: op as Arithmetic, ...sides };
    if (op === '||') return { kind: 'join', ...sides };
    throw s3Fault('ParseUnexpectedOperator');
  }

  /** A chain of one of them as one list, however long. */
  #logical(op: 'AND' | 'OR', left: Node, right: Node): Expr {
    const of: Expr[] = [this.#expr(right)];
    let rest = left;
    for (; rest.type === 'binary' && rest.op === op; rest = rest.left) of.push(this.#expr(rest.right));
    of.push(this.#expr(rest));
    return { kind: op === 'AND' ? 'and' : 'or', of: of.reverse() };
  }

  #list(node: Node): Expr[] {
    if (node.type === 'list') return node.expressions.map((each) => this.#expr(each));
    const operand = node.type === 'ref' && node.name !== '*' ? this.#operand(node.name) : undefined;
    if (operand?.kind !== 'list') return [this.#expr(node)];
    return operand.literals.map((literal) => ({ kind: 'literal', literal }));
  }
}

const isStar = (node: Node): boolean => node.type === 'ref' && node.name === '*' && node.table === undefined;

const isNamed = (step: Step | undefined, name: string): boolean =>
  step !== undefined && 'name' in step && step.name.toLowerCase() === name.toLowerCase();
