/**
 * Collects what fork* consistency is judged by: what correct clients accepted, and the batches behind the hash chain digests of their results. A quorum
 * holds a correct replica while k ≤ 2f, so each history accepted was executed by one, and each batch executed has travelled. Both are kept as they
 * are seen, and put together by hash at the end: no replica's memory is asked, which forgets, nor anybody's word.
 */

import type { Context } from '../../protocol/context.ts';
import { extendHashChain } from '../../protocol/hash-chain.ts';
import { type Batch, batchDigest, NULL_BATCH } from '../../protocol/messages/batch.ts';
import type { Message } from '../../protocol/messages/index.ts';
import { type ClientRequest, encodeSessionNumber, requestDigest } from '../../protocol/messages/request.ts';
import type { ReplicaEvent } from '../../protocol/replica/io.ts';
import { equalBytes, keyOf } from '../../types/bytes.ts';
import type { Digest, PublicKey, ReplicaIndex, SequenceNumber } from '../../types/identities.ts';
import {
  type Accepted,
  type AppliedRequest,
  type HistoryNode,
  judgeForkStar,
  pathOf,
  tipsOf,
} from '../fork-star.ts';
import type { Endpoint, Execution, Observer } from '../observer.ts';
import type { Report } from '../violation.ts';

/** One fork: which results and which operations are in it. */
export interface Branch {
  readonly sequenceNumber: number;
  /** Whether the history up to this HCD is a part of it. */
  holds(history: string): boolean;
  /** Whether it was applied there, accepted or not. */
  applied(client: PublicKey, operation: Uint8Array): boolean;
}

export interface ForkStar extends Observer {
  /** Judges all that was accepted. Call it once, at the end. */
  finish(): void;
  /** The longest histories that clients accepted results of. Call it at the end. */
  branches(): readonly Branch[];
}

export interface ForkStarOptions {
  readonly context: Context;
  readonly isCorrect: (replica: ReplicaIndex) => boolean;
  /** Undefined for a faulty one. */
  readonly clientKeyOf: (client: Endpoint) => PublicKey | undefined;
  readonly report: Report;
}

/** A batch as the first correct replica executed it. */
interface Executed {
  readonly hashChainDigest: Digest;
  readonly batchDigest: Digest;
  readonly executions: readonly Execution[];
}

interface Node extends HistoryNode {
  readonly hashChainDigest: Digest;
  readonly parent: Node | undefined;
  readonly operations: ReadonlySet<string>;
}

export function checkForkStar({ context, isCorrect, clientKeyOf, report }: ForkStarOptions): ForkStar {
  const { cluster, crypto } = context;
  const { replicaCount } = cluster.thresholds;
  /** By s and HCD. */
  const executed = new Map<SequenceNumber, Map<string, Executed>>();
  /** All that ever travelled, by digest: D(β) is looked up, so lies do no harm. */
  const batches = new Map<string, Batch>();
  const met = new WeakSet<Batch>();
  const accepted: Accepted[] = [];
  const issued = new Map<string, number>();
  const correctKeys = new Set<string>();
  /** What each replica's service has applied since its last entry. */
  const applying = new Map<ReplicaIndex, Execution[]>();
  let now = 0;
  let histories: ReadonlyMap<string, Node> | undefined;

  const digestOf = (request: ClientRequest) => keyOf(requestDigest(cluster, crypto, request));

  function meet(batch: Batch): void {
    if (met.has(batch)) return;
    met.add(batch);
    batches.set(keyOf(batchDigest(cluster, crypto, batch)), batch);
  }

  function meetBatches(message: Message): void {
    if (message.type === 'pre-prepare' && message.batch !== undefined) meet(message.batch);
    else if (message.type === 'fetched' && message.payload.type === 'bodies') {
      message.payload.batches.forEach(meet);
    }
  }

  function onExecuted(
    replica: ReplicaIndex,
    { entry, batchDigest: digest }: Extract<ReplicaEvent, { type: 'executed' }>,
  ): void {
    const { sequenceNumber, hashChainDigest } = entry;
    const waiting = applying.get(replica) ?? [];
    // One step may execute several batches before it tells of any.
    applying.set(
      replica,
      waiting.filter((execution) => execution.sequenceNumber > sequenceNumber),
    );
    const sameHeight = executed.get(sequenceNumber) ?? new Map<string, Executed>();
    executed.set(sequenceNumber, sameHeight);
    const id = keyOf(hashChainDigest);
    if (sameHeight.has(id)) return;
    const executions = waiting.filter((execution) => execution.sequenceNumber === sequenceNumber);
    sameHeight.set(id, { hashChainDigest, batchDigest: digest, executions });
  }

  /** The tree of all that correct replicas executed. Its parents are found by trying: HCD^s = H(D(β^s) ‖ HCD^{s−1}). */
  function growTree(): ReadonlyMap<string, Node> {
    const nodes = new Map<string, Node>();
    let below: readonly (Node | undefined)[] = [undefined];
    for (let s = 1; executed.has(s); s++) {
      const here: Node[] = [];
      for (const [id, { hashChainDigest, batchDigest: digest, executions }] of executed.get(s)!) {
        const parent = below.findIndex((node) =>
          equalBytes(extendHashChain(crypto, node?.hashChainDigest ?? cluster.id, digest), hashChainDigest),
        );
        const batch = batches.get(keyOf(digest));
        if (parent < 0 || batch === undefined) continue;
        const requests = appliedOf(batch.requests, executions);
        const operations = new Set(
          executions.map(({ client, operation }) => keyOf(client) + keyOf(operation)),
        );
        here.push({ id, hashChainDigest, sequenceNumber: s, parent: below[parent], requests, operations });
      }
      for (const node of here) nodes.set(node.id, node);
      below = here;
    }
    return nodes;
  }

  /** Which of a batch's requests were applied: the service saw their operations, one after another. */
  function appliedOf(
    requests: readonly ClientRequest[],
    executions: readonly Execution[],
  ): readonly AppliedRequest[] {
    const applied: AppliedRequest[] = [];
    let next = 0;
    for (const request of requests) {
      if (request.type === 'open') continue;
      const own = executions.slice(next, next + request.operations.length);
      const isApplied =
        own.length === request.operations.length &&
        own.every(
          ({ client, operation }, index) =>
            equalBytes(client, request.client) && equalBytes(operation, request.operations[index]!),
        );
      if (!isApplied) continue;
      next += own.length;
      applied.push({ ...nameOf(request), results: own.map(({ result }) => result) });
    }
    return applied;
  }

  const nameOf = (request: Extract<ClientRequest, { type: 'request' }>) => ({
    id: digestOf(request),
    session: keyOf(request.client) + keyOf(encodeSessionNumber(request.session)),
  });

  const theCase = {
    get nodes() {
      histories ??= growTree();
      return histories;
    },
    accepted,
    issuedAt: (request: string) => issued.get(request),
    isCorrectSession: (session: string) => correctKeys.has(session.slice(0, KEY_LENGTH)),
  };

  meet(NULL_BATCH);
  return {
    onSend(from, _to, message) {
      now++;
      meetBatches(message);
      const key = from < replicaCount ? undefined : clientKeyOf(from);
      if (key === undefined || message.type !== 'request') return;
      correctKeys.add(keyOf(key));
      const digest = digestOf(message.request);
      if (!issued.has(digest)) issued.set(digest, now);
    },
    onExecution(replica, execution) {
      if (!isCorrect(replica)) return;
      const executions = applying.get(replica) ?? [];
      // A restarted replica applies anew, on another instance.
      applying.set(replica, [
        ...executions.filter(({ instance }) => instance === execution.instance),
        execution,
      ]);
    },
    onFault(_text, what) {
      // What a step applied before the process died in it is in no entry.
      if (what.type === 'crash') applying.delete(what.replica);
    },
    onEvent(replica, event) {
      if (event.type === 'executed' && isCorrect(replica)) onExecuted(replica, event);
    },
    onOutcome(client, _token, outcome) {
      if (clientKeyOf(client) === undefined) return;
      if (outcome.type === 'accepted' && outcome.receipt.request.type === 'request') {
        const { request, results, head } = outcome.receipt;
        const history = keyOf(head.hashChainDigest);
        accepted.push({
          client: `client ${client}`,
          history,
          request: { ...nameOf(request), results },
          acceptedAt: now,
        });
      } else if (outcome.type === 'read' && outcome.head.sequenceNumber > 0) {
        const history = keyOf(outcome.head.hashChainDigest);
        accepted.push({ client: `client ${client}`, history, request: undefined, acceptedAt: now });
      }
    },
    branches: () =>
      tipsOf(theCase).map((tip) => {
        const path = [...pathOf(tip)] as Node[];
        const held = new Set(path.map(({ id }) => id));
        return {
          sequenceNumber: tip.sequenceNumber,
          holds: (history) => held.has(history),
          applied: (client, operation) => {
            const name = keyOf(client) + keyOf(operation);
            return path.some(({ operations }) => operations.has(name));
          },
        };
      }),
    finish() {
      for (const { property, text } of judgeForkStar(theCase)) report('safety', property, text);
      const correct = Array.from({ length: replicaCount }, (_, index) => index).filter(isCorrect).length;
      const forks = tipsOf(theCase).length;
      if (forks > correct) {
        report('safety', 'forks', `there are ${forks} forks and ${correct} correct replicas`);
      }
    },
  };
}

/** Of `keyOf` of a public key. */
const KEY_LENGTH = keyOf(new Uint8Array(32)).length;
