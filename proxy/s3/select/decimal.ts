/**
 * Decimal numbers of up to 38 digits, as SQL has them: exact, where floating point is not. Values are never changed.
 */
import { s3Fault } from '../errors.ts';

const DIGITS_MAX = 38;
/** What may stand behind an `e`: more than any floating-point number, and little enough to compute with. */
const EXPONENT_MAX = 400;
const TEXT = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,5}))?$/;
/** Digits that can matter; what is longer is no number somebody means. */
const TEXT_LENGTH_MAX = 1000;

export class Decimal {
  /** `unscaled` · 10^-`scale` */
  readonly unscaled: bigint;
  readonly scale: number;

  private constructor(unscaled: bigint, scale: number) {
    this.unscaled = unscaled;
    this.scale = scale;
  }

  static from(value: bigint): Decimal {
    return new Decimal(value, 0);
  }

  /** Undefined for what is no number. Fault NumberFormatError for one beyond all bounds. */
  static parse(text: string): Decimal | undefined {
    if (text.length > TEXT_LENGTH_MAX) return undefined;
    const [, sign, whole = '', fraction = '', exponent = '0'] = TEXT.exec(text) ?? [];
    if (sign === undefined || whole + fraction === '') return undefined;
    return rounded(BigInt(`${sign === '-' ? '-' : ''}${whole}${fraction}`), fraction.length - Number(exponent));
  }

  static make(unscaled: bigint, scale: number): Decimal {
    return new Decimal(unscaled, scale);
  }

  add(other: Decimal): Decimal {
    const scale = Math.max(this.scale, other.scale);
    return rounded(this.#at(scale) + other.#at(scale), scale);
  }

  subtract(other: Decimal): Decimal {
    return this.add(new Decimal(-other.unscaled, other.scale));
  }

  multiply(other: Decimal): Decimal {
    return rounded(this.unscaled * other.unscaled, this.scale + other.scale);
  }

  /** To 38 digits; `other` is not zero. */
  divide(other: Decimal): Decimal {
    const shift = Math.max(0, DIGITS_MAX + digitsOf(other.unscaled) - digitsOf(this.unscaled) + 1);
    const quotient = (this.unscaled * 10n ** BigInt(shift)) / other.unscaled;
    return shortened(rounded(quotient, this.scale - other.scale + shift));
  }

  /** With the sign of the dividend; `other` is not zero. */
  remainder(other: Decimal): Decimal {
    const scale = Math.max(this.scale, other.scale);
    return rounded(this.#at(scale) % other.#at(scale), scale);
  }

  compare(other: Decimal): number {
    const scale = Math.max(this.scale, other.scale);
    const [left, right] = [this.#at(scale), other.#at(scale)];
    return left < right ? -1 : left > right ? 1 : 0;
  }

  /** The same number without noughts at its end. */
  normalised(): Decimal {
    if (this.unscaled === 0n) return new Decimal(0n, 0);
    const whole = this.scale < 0 ? this.#at(0) : this.unscaled;
    return shortened(new Decimal(whole, Math.max(this.scale, 0)));
  }

  /** Towards zero. */
  truncate(): bigint {
    if (this.scale <= 0) return this.unscaled * 10n ** BigInt(-this.scale);
    return this.unscaled / 10n ** BigInt(this.scale);
  }

  toNumber(): number {
    return Number(`${this.unscaled}e${-this.scale}`);
  }

  toString(): string {
    const { unscaled, scale } = this;
    const sign = unscaled < 0n ? '-' : '';
    const digits = (unscaled < 0n ? -unscaled : unscaled).toString();
    if (scale === 0) return sign + digits;
    if (scale < 0 || scale - digits.length > DIGITS_MAX) return `${sign}${digits}e${-scale}`;
    const padded = digits.padStart(scale + 1, '0');
    return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
  }

  /** The same number with `scale` digits behind the point, of which there are no fewer now. */
  #at(scale: number): bigint {
    return this.unscaled * 10n ** BigInt(scale - this.scale);
  }
}

const digitsOf = (value: bigint): number => (value < 0n ? -value : value).toString().length;

/** To 38 digits, half away from zero. */
function rounded(unscaled: bigint, scale: number): Decimal {
  const excess = digitsOf(unscaled) - DIGITS_MAX;
  const result = excess <= 0 ? { unscaled, scale } : { unscaled: cut(unscaled, excess), scale: scale - excess };
  if (Math.abs(result.scale) > EXPONENT_MAX) throw s3Fault('NumberFormatError');
  return Decimal.make(result.unscaled, result.scale);
}

function cut(value: bigint, digits: number): bigint {
  const unit = 10n ** BigInt(digits);
  const half = (value < 0n ? -unit : unit) / 2n;
  return (value + half) / unit;
}

/** Without the noughts at its end that a division leaves. */
function shortened(value: Decimal): Decimal {
  let { unscaled, scale } = value;
  while (scale > 0 && unscaled % 10n === 0n) {
    unscaled /= 10n;
    scale--;
  }
  return Decimal.make(unscaled, scale);
}
