/** The lines of a trace (docs/simulator.md, "The trace"), for those who write and those who read it. */

import type { Violation } from './violation.ts';

/** Goes up when a reader of the old format could misunderstand the new one; new fields and new kinds of lines do not count. */
export const TRACE_VERSION = 1;

/** Microseconds since the run began. */
interface Timed {
  readonly at: number;
}

/** What messages, records and events are about, where they are about it; digests are the first six hexadecimal digits. */
export interface About {
  readonly view?: number;
  readonly sequenceNumber?: number;
  readonly hashChainDigest?: string;
  readonly batchDigest?: string;
  readonly [field: string]: unknown;
}

export interface HeaderLine extends Timed {
  readonly type: 'header';
  readonly format: 'bft2f-trace';
  readonly version: number;
  readonly replicas: number;
  readonly clients: number;
  /** Q. */
  readonly quorum: number;
  /** Of the genesis configuration. */
  readonly limits: Readonly<Record<string, number>>;
  /** Replays the run. */
  readonly scenario: unknown;
}

export interface SentLine extends Timed, About {
  readonly type: 'sent';
  /** The same in the lines `delivered` and `lost` of this copy. */
  readonly id: number;
  readonly from: number;
  readonly to: number;
  readonly kind: string;
  readonly text: string;
}

export interface StateLine extends Timed, About {
  readonly type: 'state';
  readonly replica: number;
  /** A `ReplicaEvent`'s type. */
  readonly event: string;
  readonly text: string;
}

export interface FaultLine extends Timed {
  readonly type: 'fault';
  readonly fault: string;
  readonly text: string;
  readonly replica?: number;
  readonly client?: number;
  readonly from?: readonly number[];
  readonly to?: readonly number[];
}

export type TraceLine =
  | HeaderLine
  | SentLine
  | (Timed & {
      readonly type: 'delivered';
      readonly id: number;
      readonly from: number;
      readonly to: number;
    })
  | (Timed & {
      readonly type: 'lost';
      readonly id: number;
      readonly from: number;
      readonly to: number;
      readonly why: string;
    })
  | (Timed & { readonly type: 'timer'; readonly endpoint: number })
  | (Timed & About & { readonly type: 'durable'; readonly replica: number; readonly record: string })
  | StateLine
  | FaultLine
  | (Timed & {
      readonly type: 'submitted';
      readonly endpoint: number;
      readonly token: number;
      readonly read: boolean;
      readonly bytes: number;
    })
  | (Timed & {
      readonly type: 'outcome';
      readonly endpoint: number;
      readonly token: number;
      readonly outcome: string;
      readonly sequenceNumber?: number;
      readonly status?: string;
      readonly reason?: string;
    })
  | (Timed & { readonly type: 'violation' } & Pick<Violation, 'kind' | 'property' | 'text'>)
  | (Timed & { readonly type: 'end'; readonly digest: string; readonly ok: boolean });
