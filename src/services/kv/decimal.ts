/** Signed 64-bit integers as decimal text, the way `increment` keeps them. */

const DECIMAL = /^(?:0|-?[1-9][0-9]{0,18})$/;
const MAX = 2n ** 63n - 1n;

export function isInt64(value: bigint): boolean {
  return value <= MAX && value >= -MAX - 1n;
}

/** The integer that `text` is in canonical form; undefined if it is not one, or does not fit 64 bits. */
export function parseDecimal(text: string): bigint | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const value = BigInt(text);
  return isInt64(value) ? value : undefined;
}

export function decimal(value: bigint): string {
  return value.toString();
}
