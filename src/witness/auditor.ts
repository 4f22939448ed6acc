/**
 * What a witness does with signed heads and entries: holds each against what it knows, by consistency proofs that it fetches from those who signed,
 * and vouches for the largest head, or finds that no history holds them all.
 */

import { verifyConsistency } from '../crypto/merkle-tree.ts';
import {
  compareHeads,
  type Evidence,
  type HistoryProof,
  judgeEvidence,
  provedFork,
  type Verdict,
} from '../protocol/accountability/index.ts';
import type { Context } from '../protocol/context.ts';
import { type Entry, type Head, sameEntry } from '../protocol/messages/entry.ts';
import { currentOf } from '../protocol/version-vector.ts';
import type { Digest, ReplicaIndex } from '../types/identities.ts';
import type { Replicas } from './replicas.ts';
import type { Cosigned, Vault } from './vault.ts';

export type Settled =
  /** The witness vouches for `cosigned`, which extends the head that it was given; `path` is the consistency proof between them. */
  | { readonly type: 'cosigned'; readonly cosigned: Cosigned; readonly path: readonly Digest[] }
  /** No replica gave a proof; another time, perhaps. */
  | { readonly type: 'unproved' }
  /** There is a fork, and nothing is cosigned any more. */
  | { readonly type: 'forked' };

export interface Auditor {
  /** Takes a verified head: cosigns it if it extends the latest one, or else shows how the latest one extends it. */
  settle(head: Head): Promise<Settled>;
  /** Holds a verified head against the latest one without vouching for it. */
  audit(head: Head): Promise<void>;
  /** Asks every replica, each for itself, what it has executed. */
  poll(): Promise<void>;
}

export interface AuditorOptions {
  readonly context: Context;
  readonly vault: Vault;
  readonly replicas: Replicas;
  /** Resolves once it is stored and, if it proves a fork, the vault is sealed. */
  readonly onEvidence: (evidence: Evidence, verdict: Verdict) => Promise<void>;
}

type Relation =
  | { readonly type: 'one-history'; readonly path: readonly Digest[] }
  | { readonly type: 'unproved' }
  | { readonly type: 'forked' };

export function makeAuditor({ context, vault, replicas, onEvidence }: AuditorOptions): Auditor {
  const { replicaCount, quorumSize } = context.cluster.thresholds;
  const everyone = Array.from({ length: replicaCount }, (_, i) => i);
  /** Who is asked for a proof first: each in turn. */
  let turn = 0;

  /** How two verified heads stand to each other, by the proof of whoever gives one that holds. */
  async function relate(a: Head, b: Head): Promise<Relation> {
    const compared = compareHeads(context, a, b);
    if (compared.type === 'CONSISTENT') return { type: 'one-history', path: [] };
    if (compared.type === 'FORK') return fork(compared.evidence);
    const later = a.sequenceNumber < b.sequenceNumber ? b : a;
    const { from, to } = compared as { from: number; to: number };
    for (const replica of inquired(later)) {
      const proof = await replicas.proof(replica, from, to);
      const proved = proof && compareHeads(context, a, b, proof);
      if (proved?.type === 'FORK') return fork(proved.evidence);
      if (proved?.type === 'EXTENDS') return { type: 'one-history', path: proved.path };
    }
    return { type: 'unproved' };
  }

  async function fork(evidence: Evidence): Promise<Relation> {
    await report(evidence);
    return { type: 'forked' };
  }

  /** Its signers, in turn, and then the others, as far as they can be reached: only who has executed the later head can prove anything. */
  function inquired(later: Head): readonly ReplicaIndex[] {
    const signers = later.votes.map(({ replica }) => replica);
    turn++;
    const inTurn = signers.map((_, i) => signers[(i + turn) % signers.length]!);
    const others = everyone.filter((replica) => !signers.includes(replica));
    return [...inTurn, ...others].filter((replica) => replicas.isConnected(replica));
  }

  async function report(evidence: Evidence): Promise<void> {
    const verdict = judgeEvidence(context, evidence);
    if (verdict !== undefined) await onEvidence(evidence, verdict);
  }

  async function settle(head: Head): Promise<Settled> {
    while (!vault.isSealed) {
      const { latest } = vault;
      const relation: Relation =
        latest === undefined ? { type: 'one-history', path: [] } : await relate(latest.head, head);
      if (relation.type !== 'one-history') return relation;
      if (latest !== undefined && latest.head.sequenceNumber >= head.sequenceNumber) {
        return { type: 'cosigned', cosigned: latest, path: relation.path };
      }
      const cosigned = await vault.advance(latest?.head, head);
      if (cosigned !== undefined) return { type: 'cosigned', cosigned, path: [] };
      // Another head came between: this one is held against that.
    }
    return { type: 'forked' };
  }

  /** Whether the replica stands by what it signed: the later of two of its entries must extend the earlier one, and it can prove that. */
  async function standsBy(known: Entry, entry: Entry): Promise<boolean> {
    if (sameEntry(known, entry)) return true;
    if (known.sequenceNumber === entry.sequenceNumber) {
      await report({ type: 'entries', first: known, second: entry });
      return false;
    }
    const [first, second] = known.sequenceNumber < entry.sequenceNumber ? [known, entry] : [entry, known];
    const proof = await replicas.proof(entry.replica, first.sequenceNumber, second.sequenceNumber);
    const points = [{ type: 'entry', ...first } as const, { type: 'entry', ...second } as const] as const;
    const evidence = provedFork(context, ...points, proof);
    if (evidence !== undefined) await report(evidence);
    return evidence === undefined && isExtended(first, second, proof);
  }

  function isExtended(first: Entry, second: Entry, proof: HistoryProof | undefined): boolean {
    return (
      proof !== undefined &&
      verifyConsistency(context.crypto.hash, {
        size1: first.sequenceNumber,
        root1: first.logRoot,
        size2: second.sequenceNumber,
        root2: second.logRoot,
        path: proof.path,
      })
    );
  }

  /** The replica's entry, if it stands by what it is known to have signed. */
  async function examined(entry: Entry): Promise<Entry | undefined> {
    const { latest, entries } = vault;
    const vote = latest?.head.votes.find(({ replica }) => replica === entry.replica);
    const known = entries.filter(({ replica }) => replica === entry.replica);
    if (latest !== undefined && vote !== undefined) known.push({ ...latest.head, ...vote });
    for (const each of known) if (!(await standsBy(each, entry))) return undefined;
    return entry;
  }

  async function pollOne(replica: ReplicaIndex): Promise<Entry | undefined> {
    const head = await replicas.head(replica);
    if (head !== undefined) await settle(head);
    const entry = await replicas.entry(replica);
    return entry && examined(entry);
  }

  /** While requests come, entries differ in s; those of one s make a head. */
  async function headOf(entries: readonly Entry[]): Promise<Head | undefined> {
    const highest = entries.reduce((a, b) => (b.sequenceNumber > a.sequenceNumber ? b : a));
    const ask = async (entry: Entry): Promise<Entry | undefined> =>
      entry.sequenceNumber === highest.sequenceNumber ? entry : replicas.entry(entry.replica, highest);
    const level = await Promise.all(entries.map(ask));
    const vector = new Map(level.flatMap((entry) => (entry === undefined ? [] : [[entry.replica, entry]])));
    return currentOf(vector, quorumSize);
  }

  return {
    settle,
    async audit(head) {
      if (vault.latest !== undefined && !vault.isSealed) await relate(vault.latest.head, head);
    },
    async poll() {
      const reachable = everyone.filter((replica) => replicas.isConnected(replica));
      const answers = await Promise.all(reachable.map(pollOne));
      const entries = answers.filter((entry) => entry !== undefined);
      if (entries.length === 0) return;
      const head = await headOf(entries);
      if (head !== undefined) await settle(head);
      await vault.keepEntries(entries);
    },
  };
}
