/** Answering FETCH: everything comes from what this replica holds; what it has signed itself waits for the disk. */

import type { SequenceNumber } from '../../types/identities.ts';
import { batchBytes } from '../messages/batch.ts';
import { CAPS } from '../messages/caps.ts';
import { FETCHED_BYTES_MAX, ITEMS_PER_FETCH, type Payload, type Want } from '../messages/fetch.ts';
import type { MessageOf } from '../messages/index.ts';
import { promiseToParty, refuse, sendToParty } from './effects.ts';
import type { Party } from './io.ts';
import { promisesOf } from './promises.ts';
import { findBody } from './slots.ts';
import type { HeldSnapshot, Replica } from './state.ts';

const NOT_HERE: Payload = { type: 'not-here' };

/** Links in one answer; its certificate may lie a little further. */
const LINKS_PER_ANSWER = 4_096;

/** Enter: FETCH from a peer; clients may ask for heads and proofs. */
export function onFetch(replica: Replica, from: Party, message: MessageOf<'fetch'>): void {
  const { want } = message;
  if (from.kind === 'client' && want.type !== 'head' && want.type !== 'proof') {
    return refuse(replica, from, message, 'NOT_FOR_CLIENTS');
  }
  const payload =
    from.kind === 'replica' && want.type === 'promises'
      ? ({ type: 'promises', ...promisesOf(replica, from.index) } as const)
      : serve(replica, want);
  const answer = { type: 'fetched', number: message.number, payload } as const;
  // These hold signatures of our own that may be newer than the disk.
  const binds = payload.type === 'header' || payload.type === 'new-view' || payload.type === 'head';
  if (binds) promiseToParty(replica, from, answer);
  else sendToParty(replica, from, answer);
}

function serve(replica: Replica, want: Want): Payload {
  switch (want.type) {
    case 'header': {
      const header = replica.slots.get(want.sequenceNumber)?.header;
      return header?.view === want.view ? { type: 'header', header } : NOT_HERE;
    }
    case 'bodies':
      return serveBodies(replica, want);
    case 'links':
      return serveLinks(replica, want.after);
    case 'new-view': {
      const held = [replica.newView, ...replica.oldNewViews.map((each) => each.newView)];
      const newView = held.find((each) => each?.view === want.view);
      return newView === undefined ? NOT_HERE : { type: 'new-view', newView };
    }
    case 'stable': {
      const held = servedSnapshot(replica, replica.stable);
      const checkpoint = replica.stableCertificate;
      if (held === undefined || checkpoint === undefined) return NOT_HERE;
      return { type: 'stable', checkpoint, summary: held.snapshot.summary };
    }
    case 'proof': {
      const { from, to } = want;
      const { tree } = replica.ledger;
      if (from > to || to > tree.size) return NOT_HERE;
      return { type: 'proof', from, to, root: tree.rootAt(from), path: [...tree.consistencyPath(from, to)] };
    }
    case 'leaves':
      return serveLeaves(replica, want.from, want.to);
    case 'window':
      return serveWindow(replica, want.from, want.to);
    case 'manifest': {
      const held = servedSnapshot(replica, want.sequenceNumber);
      const digests = held?.snapshot.chunks
        .slice(want.from, want.from + ITEMS_PER_FETCH)
        .map((chunk) => chunk.digest);
      if (digests === undefined || digests.length === 0) return NOT_HERE;
      return { type: 'manifest', sequenceNumber: want.sequenceNumber, from: want.from, digests };
    }
    case 'chunk': {
      const chunk = servedSnapshot(replica, want.sequenceNumber)?.snapshot.chunks[want.index];
      if (chunk === undefined) return NOT_HERE;
      const { sequenceNumber, index } = want;
      return { type: 'chunk', sequenceNumber, index, bytes: chunk.bytes() };
    }
    case 'promises':
      return NOT_HERE;
    case 'head':
      return replica.head === undefined ? NOT_HERE : { type: 'head', head: replica.head };
  }
}

/** The bodies that are here, in the order asked, as many as fit one answer. */
function serveBodies(replica: Replica, want: Extract<Want, { type: 'bodies' }>): Payload {
  const batches = [];
  let bytes = 0;
  let isBelow = false;
  for (const { sequenceNumber, batchDigest } of want.bodies) {
    const batch = findBody(replica, sequenceNumber, batchDigest);
    if (batch === undefined) {
      isBelow ||= sequenceNumber <= replica.logFloor;
      continue;
    }
    bytes += batchBytes(batch);
    if (batches.length > 0 && bytes > FETCHED_BYTES_MAX) break;
    batches.push(batch);
  }
  if (batches.length > 0) return { type: 'bodies', batches };
  return isBelow ? { type: 'too-old', stable: replica.stable } : NOT_HERE;
}

function serveLinks(replica: Replica, after: SequenceNumber): Payload {
  if (after >= replica.committed) return NOT_HERE;
  if (after < replica.logFloor) return { type: 'too-old', stable: replica.stable };
  const end = Math.min(after + LINKS_PER_ANSWER, replica.committed);
  const certificate = replica.log.get(end)?.certificate;
  if (certificate === undefined || certificate.sequenceNumber - after > CAPS.links) return NOT_HERE;
  const links = [];
  for (let s = after + 1; s <= certificate.sequenceNumber; s++) links.push(replica.log.get(s)!.batchDigest);
  return { type: 'links', after, links, certificate };
}

/** A durable snapshot that is stable, with its lease renewed: it stays while a peer transfers it. */
function servedSnapshot(replica: Replica, s: SequenceNumber): HeldSnapshot | undefined {
  const held = replica.snapshots.get(s);
  if (held === undefined || s > replica.stable || !held.durable) return undefined;
  const leased = [...replica.snapshots.values()].filter(
    (each) => each.leaseUntilMs > replica.now.monotonicMs,
  );
  // Two leases at most, so that transfers cannot pin the whole history.
  if (leased.length < 2 || leased.includes(held)) {
    held.leaseUntilMs = replica.now.monotonicMs + replica.limits.transferLeaseMs;
  }
  return held;
}

function serveLeaves(replica: Replica, from: number, to: number): Payload {
  const store = replica.options.leaves;
  const end = Math.min(to, from + ITEMS_PER_FETCH);
  if (from >= end || end > store.size) return NOT_HERE;
  const leaves = [];
  for (let i = from; i < end; i++) leaves.push(store.read(i));
  return { type: 'leaves', from, leaves };
}

function serveWindow(replica: Replica, from: SequenceNumber, to: SequenceNumber): Payload {
  const entries = [];
  const end = Math.min(to, from + ITEMS_PER_FETCH);
  for (let s = from + 1; s <= end; s++) {
    const entry = replica.ledger.window.get(s);
    if (entry === undefined) return NOT_HERE;
    entries.push(entry);
  }
  return entries.length === 0 ? NOT_HERE : { type: 'window', from, entries };
}
