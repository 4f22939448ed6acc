/** The file names of a log: two files a segment, numbered without omission. */

/** `main` has every record, `mirror` a second copy of the promises. */
export type Copy = 'main' | 'mirror';

const NAME = /^(?:main|mirror)-(\d{10})\.log$/;

export function segmentName(copy: Copy, number: number): string {
  return `${copy}-${String(number).padStart(10, '0')}.log`;
}

/** Undefined if this is no segment's file. */
export function parseSegmentName(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
