/** A parsed expression, as the compiler takes it: what the parser's own tree is turned into. */
import type { Literal, Step } from './sql-rewrite.ts';
import type { SqlType } from './sql-words.ts';

export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>=';
export type Arithmetic = '+' | '-' | '*' | '/' | '%';

export type Expr =
  | { readonly kind: 'path'; readonly steps: readonly Step[]; readonly at: number }
  | { readonly kind: 'literal'; readonly literal: Literal }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Expr[] }
  | { readonly kind: 'not' | 'negate' | 'plus'; readonly of: Expr }
  | { readonly kind: 'is'; readonly what: 'null' | 'missing'; readonly not: boolean; readonly of: Expr }
  | { readonly kind: 'compare'; readonly op: Comparison; readonly left: Expr; readonly right: Expr }
  | { readonly kind: 'arithmetic'; readonly op: Arithmetic; readonly left: Expr; readonly right: Expr }
  | { readonly kind: 'join'; readonly left: Expr; readonly right: Expr }
  | {
      readonly kind: 'like';
      readonly not: boolean;
      readonly of: Expr;
      readonly pattern: Expr;
      readonly escapedBy: Expr | undefined;
    }
  | { readonly kind: 'in'; readonly not: boolean; readonly of: Expr; readonly list: readonly Expr[] }
  | { readonly kind: 'between'; readonly not: boolean; readonly of: Expr; readonly low: Expr; readonly high: Expr }
  | {
      readonly kind: 'case';
      readonly of: Expr | undefined;
      readonly whens: readonly { readonly when: Expr; readonly result: Expr }[];
      readonly otherwise: Expr | undefined;
    }
  | { readonly kind: 'cast'; readonly of: Expr; readonly to: SqlType }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expr[]; readonly star: boolean };

export interface Column {
  readonly expr: Expr;
  readonly alias: string | undefined;
}

export interface Query {
  /** Undefined: `*`, everything as it is. */
  readonly columns: readonly Column[] | undefined;
  /** Behind `S3Object[*]`. */
  readonly from: readonly Step[];
  /** What a path may begin with and still mean the row. */
  readonly alias: string;
  readonly where: Expr | undefined;
  readonly limit: number | undefined;
}
