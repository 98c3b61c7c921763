/** COUNT, SUM, AVG, MIN, MAX: one running value each, NULL and MISSING left out. */
import { s3Fault } from '../errors.ts';
import { Decimal } from './decimal.ts';
import { compare, compute, isUnknown, toNumeric } from './sql-values.ts';
import type { Value } from './value-types.ts';

export interface Accumulator {
  add(value: Value): void;
  /** NULL of nothing, but of COUNT. */
  result(): Value;
}

export function createAccumulator(name: string): Accumulator {
  if (name === 'count') return counter();
  return name === 'min' || name === 'max' ? extreme(name) : total(name === 'avg');
}

function counter(): Accumulator {
  let count = 0;
  return {
    add: (value) => void (isUnknown(value) || count++),
    result: () => BigInt(count),
  };
}

function total(isAverage: boolean): Accumulator {
  let sum: Value = null;
  let count = 0;
  return {
    add(value) {
      if (isUnknown(value)) return;
      const number = toNumeric(value);
      sum = sum === null ? number : compute('+', sum, number);
      count++;
    },
    result() {
      if (!isAverage || sum === null) return sum;
      // Of whole numbers it is a DECIMAL.
      return compute('/', typeof sum === 'bigint' ? Decimal.from(sum) : sum, BigInt(count));
    },
  };
}

function extreme(name: 'min' | 'max'): Accumulator {
  const sign = name === 'min' ? -1 : 1;
  let best: Value = null;
  return {
    add(value) {
      if (isUnknown(value)) return;
      const order = best === null ? sign : compare(value, best);
      if (order === undefined)
        throw s3Fault('IncorrectSqlFunctionArgumentType', `${name.toUpperCase()} of mixed types.`);
      if (order * sign > 0) best = value;
    },
    result: () => best,
  };
}
