/** All that was signed in a simulated run, by whomever, wherever it travelled: statements, certificates, and the histories that were executed. */

import type { Evidence, EvidenceOf } from '../../src/protocol/accountability/index.ts';
import type { Context } from '../../src/protocol/context.ts';
import type { EntryContent } from '../../src/protocol/messages/entry.ts';
import type { Observer } from '../../src/simulator/observer.ts';
import { keyOf } from '../../src/types/bytes.ts';

type First<Type extends Evidence['type']> = Extract<EvidenceOf<Type>, { first: unknown }>['first'];

export type Header = First<'headers'>;
export type Prepare = First<'prepares'>;
export type Commit = First<'commits'>;
export type Entry = First<'entries'>;
export type Checkpoint = First<'checkpoints'>;
export type Certificate = First<'fork'>;
export type Point = First<'histories'>;
export type ViewChange = EvidenceOf<'withheld'>['viewChange'];

export interface Harvest {
  context: Context | undefined;
  /** By signature: nothing is kept twice. */
  readonly headers: Map<string, Header>;
  readonly prepares: Map<string, Prepare>;
  readonly commits: Map<string, Commit>;
  readonly entries: Map<string, Entry>;
  readonly checkpoints: Map<string, Checkpoint>;
  readonly viewChanges: Map<string, ViewChange>;
  readonly certificates: Map<string, Certificate>;
  readonly quorumPoints: Map<string, Point>;
  /** Of each replica what it executed at s. */
  readonly executed: Map<number, Map<number, EntryContent>>;
}

export function harvest(): { readonly harvest: Harvest; readonly observer: Observer } {
  const found: Harvest = {
    context: undefined,
    headers: new Map(),
    prepares: new Map(),
    commits: new Map(),
    entries: new Map(),
    checkpoints: new Map(),
    viewChanges: new Map(),
    certificates: new Map(),
    quorumPoints: new Map(),
    executed: new Map(),
  };
  const observer: Observer = {
    onBegin(setting) {
      found.context = setting.context;
    },
    onSend: (_, __, message) => gather(found, message),
    onDurable(replica, record) {
      gather(found, record);
      if (record.type !== 'executed') return;
      const { type: _, view: __, ...content } = record;
      const own = found.executed.get(replica) ?? new Map<number, EntryContent>();
      found.executed.set(replica, own.set(content.sequenceNumber, content));
    },
  };
  return { harvest: found, observer };
}

/** Recognises a signed thing by its fields, at any depth: whatever message carries it, it may be used against its signer. */
function gather(found: Harvest, value: unknown): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if (Array.isArray(value)) {
    for (const each of value) gather(found, each);
    return;
  }
  const { signature, votes } = value as { signature?: unknown; votes?: unknown };
  if (signature instanceof Uint8Array) take(found, value as Record<string, unknown>, keyOf(signature));
  if (Array.isArray(votes)) takeCertificate(found, value as never);
  for (const each of Object.values(value)) gather(found, each);
}

function take(found: Harvest, it: Record<string, unknown>, key: string): void {
  if ('base' in it) found.viewChanges.set(key, it as never);
  else if ('stateDigest' in it && 'replica' in it) found.checkpoints.set(key, it as never);
  else if ('repliesRoot' in it) found.entries.set(key, it as never);
  else if ('batchDigest' in it && 'replica' in it) found.prepares.set(key, it as never);
  else if ('batchDigest' in it) found.headers.set(key, it as never);
  else if ('hashChainDigest' in it && 'replica' in it) found.commits.set(key, it as never);
}

/** The certificate itself, and each vote in it as the statement that it is. */
function takeCertificate(found: Harvest, it: Certificate & Partial<Entry & Checkpoint>): void {
  const key = it.votes.map(({ signature }) => keyOf(signature)).join();
  if ('stateDigest' in it)
    found.quorumPoints.set(key, { ...(it as never as Point), type: 'stable' } as Point);
  else if ('repliesRoot' in it)
    found.quorumPoints.set(key, { ...(it as never as Point), type: 'head' } as Point);
  else found.certificates.set(key, it);
  for (const vote of it.votes) take(found, { ...it, ...vote }, keyOf(vote.signature));
}
