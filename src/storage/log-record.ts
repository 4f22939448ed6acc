/** What goes into the log and what an opening finds in it. */

export interface LogRecord {
  /** 0…255; its meaning is the caller's. */
  readonly kind: number;
  /** 0…2⁵³−1; 0 if it belongs to none. */
  readonly sequenceNumber: number;
  /** At most 256 MiB. */
  readonly payload: Uint8Array;
  /** Written twice. */
  readonly mirrored: boolean;
}

/** Something that had been written, and not merely an interrupted write, was not as it should be. */
export interface Damage {
  /** Name of the file. */
  readonly segment: string;
  /** Byte in the file where it begins. */
  readonly offset: number;
  /** How many records it hit; 0 for a segment's header. An upper bound if it is lost where the log begins. */
  readonly records: number;
  /** Whether a mirrored record is among those lost for good: this counts as a lost disk. */
  readonly promiseLost: boolean;
  /** With `sequenceNumber`, if what was hit is known. */
  readonly kind?: number;
  readonly sequenceNumber?: number;
  /** A whole copy was in the other file, and both are whole again. */
  readonly repaired: boolean;
}

export interface Recovered {
  /** In the order of their appending. */
  readonly records: readonly LogRecord[];
  readonly damage: readonly Damage[];
  /** Bytes of an interrupted write that were cut from the end of the files. */
  readonly tornBytes: number;
}
