/** The links to the replicas, and questions to one of them: whatever comes back is verified here or proves itself later. */

import { decode, encode } from '../codec/index.ts';
import { generateSeed, randomBytes } from '../crypto/sodium-native.ts';
import { createClientTransport } from '../network/client-transport.ts';
import type { NetworkLimits } from '../network/limits.ts';
import type { Address } from '../node/index.ts';
import { evidenceSchema } from '../protocol/accountability/evidence.ts';
import {
  type Evidence,
  type HistoryProof,
  judgeEvidence,
  type Verdict,
} from '../protocol/accountability/index.ts';
import { rejectHead } from '../protocol/certificates.ts';
import { type Context, signedBy } from '../protocol/context.ts';
import { type Entry, type EntryContent, entryStatement, type Head } from '../protocol/messages/entry.ts';
import type { Payload, Want } from '../protocol/messages/fetch.ts';
import { type Message, messageSchema } from '../protocol/messages/index.ts';
import { keyOf } from '../types/bytes.ts';
import type { ReplicaIndex } from '../types/identities.ts';

export type AskOutcome =
  /** It answered what was asked, and what verifies at once did. */
  | 'answered'
  /** It said that it has nothing of the kind. */
  | 'nothing'
  /** No answer in time, or no connection. */
  | 'silent'
  /** An answer with a signature that does not hold, or to another question. */
  | 'bad';

export interface Replicas {
  /** Its own newest entry, or the one that it signed for the state of `at`. */
  entry(replica: ReplicaIndex, at?: EntryContent): Promise<Entry | undefined>;
  /** The newest head that it can show. */
  head(replica: ReplicaIndex): Promise<Head | undefined>;
  /** The consistency proof of its log between two sizes; not verified. */
  proof(replica: ReplicaIndex, from: number, to: number): Promise<HistoryProof | undefined>;
  isConnected(replica: ReplicaIndex): boolean;
  close(): Promise<void>;
}

export interface ReplicasOptions {
  readonly context: Context;
  readonly addresses: readonly Address[];
  readonly limits?: Partial<NetworkLimits> | undefined;
  readonly onAsked: (replica: ReplicaIndex, outcome: AskOutcome) => void;
  /** Of what a replica sent on its own account: judged, and it proves something. */
  readonly onEvidence: (evidence: Evidence, verdict: Verdict) => void;
}

const ANSWER_TIMEOUT_MS = 2_000;
/** A replica sends one piece a second; who sends more is not heard. */
const EVIDENCE_INTERVAL_MS = 250;

interface Question {
  readonly replica: ReplicaIndex;
  answer(message: Message | undefined): void;
}

/** Under a key of the moment: whoever asks for proofs needs no rights, and the cosigning key signs nothing else. */
export function openReplicas({ context, addresses, limits, onAsked, onEvidence }: ReplicasOptions): Replicas {
  const { cluster } = context;
  const open = new Map<string, Question>();
  const evidenceAtMs = new Map<ReplicaIndex, number>();
  let fetches = 0;

  const transport = createClientTransport({
    seed: generateSeed(),
    clusterId: cluster.id,
    epoch: cluster.epoch,
    replicas: addresses.map(({ host, port }, i) => ({ host, port, publicKey: cluster.genesis.replicas[i]! })),
    ...(limits === undefined ? {} : { limits }),
    onFrame(from, frame) {
      const message = decode(messageSchema, frame);
      if (message.ok) onMessage(from, message.value);
      else onAsked(from, 'bad');
    },
    onConnected: () => undefined,
    onDisconnected(from) {
      for (const { replica, answer } of open.values()) if (replica === from) answer(undefined);
    },
  });

  function onMessage(from: ReplicaIndex, message: Message): void {
    if (message.type === 'evidence') return onEvidenceMessage(from, message.evidence);
    const name = nameOf(message);
    const question = name === undefined ? undefined : open.get(name);
    if (question?.replica === from) question.answer(message);
  }

  function onEvidenceMessage(from: ReplicaIndex, bytes: Uint8Array): void {
    const nowMs = performance.now();
    if (nowMs - (evidenceAtMs.get(from) ?? Number.NEGATIVE_INFINITY) < EVIDENCE_INTERVAL_MS) return;
    evidenceAtMs.set(from, nowMs);
    const decoded = decode(evidenceSchema, bytes);
    const verdict = decoded.ok ? judgeEvidence(context, decoded.value) : undefined;
    if (decoded.ok && verdict !== undefined) onEvidence(decoded.value, verdict);
    else onAsked(from, 'bad');
  }

  /** Resolves to the answer, or undefined after a while. */
  function ask(replica: ReplicaIndex, message: Message): Promise<Message | undefined> {
    const name = nameOf(message)!;
    return new Promise((resolve) => {
      const answer = (it: Message | undefined): void => {
        clearTimeout(timer);
        open.delete(name);
        resolve(it);
      };
      const timer = setTimeout(() => answer(undefined), ANSWER_TIMEOUT_MS);
      open.set(name, { replica, answer });
      if (!transport.send(replica, encode(messageSchema, message))) answer(undefined);
    });
  }

  /** What `take` makes of the answer; 'bad' if it makes nothing of it. */
  async function question<T>(
    replica: ReplicaIndex,
    message: Message,
    take: (answer: Message) => T | 'nothing' | undefined,
  ): Promise<T | undefined> {
    const answer = await ask(replica, message);
    const taken = answer && take(answer);
    if (answer === undefined) onAsked(replica, 'silent');
    else onAsked(replica, taken === undefined ? 'bad' : taken === 'nothing' ? 'nothing' : 'answered');
    return taken === 'nothing' ? undefined : taken;
  }

  function fetch<T>(
    replica: ReplicaIndex,
    want: Want,
    take: (payload: Payload) => T | undefined,
  ): Promise<T | undefined> {
    return question(replica, { type: 'fetch', number: fetches++, want }, (answer) => {
      if (answer.type !== 'fetched') return undefined;
      return answer.payload.type === 'not-here' ? 'nothing' : take(answer.payload);
    });
  }

  function readEntry(replica: ReplicaIndex, at: EntryContent | undefined): Promise<Entry | undefined> {
    const seen = at ?? { sequenceNumber: 0, hashChainDigest: cluster.id };
    const read: Message = {
      type: 'read',
      nonce: randomBytes(32),
      operation: new Uint8Array(0),
      seen: { sequenceNumber: seen.sequenceNumber, hashChainDigest: seen.hashChainDigest },
      at: at?.sequenceNumber,
      designated: replica,
    };
    return question(replica, read, (answer) => {
      if (answer.type === 'busy') return 'nothing';
      if (answer.type !== 'read-reply') return undefined;
      const { entry } = answer;
      const isOwn = entry.replica === replica && entry.sequenceNumber > 0;
      return isOwn && signedBy(context, replica, entryStatement(cluster, entry), entry.signature)
        ? entry
        : undefined;
    });
  }

  return {
    entry: readEntry,
    head: (replica) =>
      fetch(replica, { type: 'head' }, (payload) =>
        payload.type === 'head' && rejectHead(context, payload.head) === undefined ? payload.head : undefined,
      ),
    proof: (replica, from, to) =>
      fetch(replica, { type: 'proof', from, to }, (payload) =>
        payload.type === 'proof' && payload.from === from && payload.to === to ? payload : undefined,
      ),
    isConnected: (replica) => transport.isConnected(replica),
    async close() {
      await transport.close();
      for (const { answer } of [...open.values()]) answer(undefined);
    },
  };
}

/** What a question and its answer have in common. */
function nameOf(message: Message): string | undefined {
  switch (message.type) {
    case 'fetch':
    case 'fetched':
      return `fetch ${message.number}`;
    case 'read':
    case 'read-reply':
      return `read ${keyOf(message.nonce)}`;
    case 'busy':
      return `read ${keyOf(message.reference)}`;
    default:
      return undefined;
  }
}
