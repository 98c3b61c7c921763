// Checks of single option values, for commander's option(). A bad value ends the command as misuse (exit 2).
// Never touches the world: whether a file or a port can be used is for the command to find out.
import { InvalidArgumentError } from 'commander';

const PORT_MAX = 65_535;

export function portNumber(text: string): number {
  return integerBetween(0, PORT_MAX)(text);
}

export function integerBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

export function choice<const T extends string>(allowed: readonly T[]): (text: string) => T {
  return (text) => {
    const found = allowed.find((one) => one === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`It must be one of ${allowed.join(', ')}.`);
  };
}
