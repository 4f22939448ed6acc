/** Quorums that are none: too small, or filled by counting twice. */

import type { Context } from '../../protocol/context.ts';
import type { Slot } from '../../protocol/replica/state.ts';
import { bending, countedTwice } from './bug.ts';

/** Q is one less: certificates, NEW-VIEWs and the leaving of views for replicas; accepted answers for clients. */
export function smallerQuorum(context: Context): Context {
  const { cluster } = context;
  const thresholds = { ...cluster.thresholds, quorumSize: cluster.thresholds.quorumSize - 1 };
  return { ...context, cluster: { ...cluster, thresholds } };
}

/** What a single replica says is believed. */
export function beliefInOne(context: Context): Context {
  const { cluster } = context;
  return { ...context, cluster: { ...cluster, thresholds: { ...cluster.thresholds, beliefSize: 1 } } };
}

/** Votes of a slot that count twice. */
export const votesCountedTwice = (which: 'prepares' | 'commits') =>
  bending(() => ({ slots }) => {
    for (const slot of slots.values()) {
      Object.assign(slot, { [which]: countedTwice<number, unknown>(slot[which]) } as Partial<Slot>);
    }
  });

export const suspectsCountedTwice = bending(() => (replica) => {
  Object.assign(replica, { suspects: countedTwice(replica.suspects) });
});

export const viewChangesCountedTwice = bending(() => (replica) => {
  Object.assign(replica, { viewChanges: countedTwice(replica.viewChanges) });
});
