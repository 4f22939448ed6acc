/** Asking one replica after another, in rotation and ever more slowly, for something that proves itself whoever sends it. */

import type { ReplicaIndex } from '../../types/identities.ts';
import { type ClientLimits, nextDelayMs } from './limits.ts';

export interface Inquiry {
  /** Whom to ask, in this order; at least one. */
  readonly replicas: readonly ReplicaIndex[];
  /** How many were asked; the next is replicas[asked mod length]. */
  asked: number;
  /** When to ask the next. */
  askAtMs: number;
  /** How long that one will have before the one after it is asked. */
  delayMs: number;
}

export function makeInquiry(replicas: readonly ReplicaIndex[], askAtMs: number, delayMs: number): Inquiry {
  return { replicas, asked: 0, askAtMs, delayMs };
}

/** Whom to ask now; sets the time for the next. */
export function nextReplica(inquiry: Inquiry, limits: ClientLimits, nowMs: number): ReplicaIndex {
  const replica = inquiry.replicas[inquiry.asked % inquiry.replicas.length]!;
  inquiry.asked++;
  inquiry.askAtMs = nowMs + inquiry.delayMs;
  inquiry.delayMs = nextDelayMs(limits, inquiry.delayMs);
  return replica;
}

/** Whether each was asked at least once. */
export function wentRound({ asked, replicas }: Inquiry): boolean {
  return asked >= replicas.length;
}
