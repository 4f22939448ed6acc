/**
 * An audit that begins at a trusted head instead of the genesis (docs/auditing.md): what lies up to its s is taken as given, and HCD, L and, where it can be had,
 * the state at s are what everything above is held against. An archive of another history than the head's is told from one with wrong links.
 */

import type { LogTree } from '../crypto/log-tree.ts';
import { provedFork } from '../protocol/accountability/compare.ts';
import type { EvidenceOf } from '../protocol/accountability/index.ts';
import type { Context } from '../protocol/context.ts';
import { chainOf } from '../protocol/hash-chain.ts';
import type { Ledger } from '../protocol/ledger.ts';
import type { CheckpointCertificate } from '../protocol/messages/certificates.ts';
import type { Head } from '../protocol/messages/entry.ts';
import type { ViewChange } from '../protocol/messages/view-change.ts';
import { type DurableRecord, recordSequenceNumber } from '../protocol/records.ts';
import { equalBytes } from '../types/bytes.ts';
import type { Digest, SequenceNumber } from '../types/identities.ts';

export interface Beginning {
  /** Its signatures hold. */
  readonly head: Head;
  /** The state that the head speaks of; undefined if it cannot be had. */
  readonly ledger: Ledger | undefined;
  /** Why results above the head are not executed again; undefined if they are. */
  readonly notExecuted: string | undefined;
  /** Over the archive's file of leaves, whatever it holds; undefined if there is none. */
  readonly leaves: LogTree | undefined;
  /** L above the head, grown from the recorded entries, where nothing is executed; undefined if the leaves do not lead to the head. */
  readonly growing: LogTree | undefined;
  /** The HCDs that entries up to the head were recorded with: only to tell another history from wrong links. */
  readonly passed: Map<SequenceNumber, Digest>;
  /** The archive holds something at or above the head. */
  met: boolean;
  /** The archive is of another history than the head. */
  contradicted: boolean;
}

const PASSED_MAX = 4096;

/** Whether the record says nothing above the head. Certificates of the head's own s are looked at: they may contradict it. */
export function isGiven({ head, passed }: Beginning, record: DurableRecord): boolean {
  const s = highestIn(record);
  if (record.type === 'executed' && s <= head.sequenceNumber) {
    passed.set(s, record.hashChainDigest);
    if (passed.size > PASSED_MAX) passed.delete(passed.keys().next().value!);
  }
  const isCertificate = record.type === 'committed' || record.type === 'stable';
  return isCertificate ? s < head.sequenceNumber : s <= head.sequenceNumber;
}

/** The highest s of which the record speaks. */
function highestIn(record: DurableRecord): SequenceNumber {
  switch (record.type) {
    case 'checkpointed':
      return record.checkpoint.sequenceNumber;
    case 'stable':
      return record.certificate.sequenceNumber;
    case 'left':
      return highestOf(record.viewChange.viewChange);
    case 'entered': {
      const { headers, viewChanges } = record.newView;
      return Math.max(...headers.map((header) => header.sequenceNumber), ...viewChanges.map(highestOf), 0);
    }
    case 'evidence':
      return Number.POSITIVE_INFINITY;
    default:
      return recordSequenceNumber(record);
  }
}

function highestOf({ base, prepared }: ViewChange): SequenceNumber {
  return Math.max(base.sequenceNumber, ...prepared.map(({ sequenceNumber }) => sequenceNumber));
}

/** Whether a commit certificate whose votes hold is of a history with another HCD at the head's s. */
export function contradictsHead(
  { crypto, cluster }: Context,
  { head, passed }: Beginning,
  { after, links, certificate }: Extract<DurableRecord, { type: 'committed' }>,
): boolean {
  const s = head.sequenceNumber;
  if (certificate.sequenceNumber <= s) {
    return certificate.sequenceNumber === s && !equalBytes(certificate.hashChainDigest, head.hashChainDigest);
  }
  const start = after === 0 ? cluster.id : passed.get(after);
  if (start === undefined || after > s || after + links.length !== certificate.sequenceNumber) return false;
  const chain = [start, ...chainOf(crypto, start, links)];
  return (
    equalBytes(chain.at(-1)!, certificate.hashChainDigest) &&
    !equalBytes(chain[s - after]!, head.hashChainDigest)
  );
}

/** Evidence that who signed the head and who signed a stable checkpoint at or above it signed two histories, as far as the archive's leaves show it. */
export function forkFromHead(
  context: Context,
  { head, leaves }: Beginning,
  stable: CheckpointCertificate,
): EvidenceOf<'histories'> | undefined {
  const [s, t] = [head.sequenceNumber, stable.sequenceNumber];
  if (t < s || (t > s && (leaves === undefined || leaves.size < t))) return undefined;
  const proof =
    t === s
      ? { root: stable.logRoot, path: [] }
      : { root: leaves!.rootAt(s), path: leaves!.consistencyPath(s, t) };
  return provedFork(context, { type: 'head', ...head }, { type: 'stable', ...stable }, proof);
}
