/**
 * Collects what fork* consistency is judged by: what correct clients accepted, and the batches behind the hash chain digests of their results, as
 * correct replicas executed them. A quorum holds a correct replica while k ≤ 2f, so none of these may be unknown.
 */

import type { Context } from '../../protocol/context.ts';
import type { EntryContent } from '../../protocol/messages/entry.ts';
import { type ClientRequest, encodeSessionNumber, requestDigest } from '../../protocol/messages/request.ts';
import type { Replica } from '../../protocol/replica/index.ts';
import { hashChainDigestAt } from '../../protocol/replica/slots.ts';
import { equalBytes, keyOf } from '../../types/bytes.ts';
import type { PublicKey, ReplicaIndex } from '../../types/identities.ts';
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
  /** The longest histories that clients accepted results of. */
  branches(): readonly Branch[];
}

export interface ForkStarOptions {
  readonly context: Context;
  readonly isCorrect: (replica: ReplicaIndex) => boolean;
  readonly stateOf: (replica: ReplicaIndex) => Replica | undefined;
  /** Undefined for a faulty one. */
  readonly clientKeyOf: (client: Endpoint) => PublicKey | undefined;
  readonly report: Report;
}

interface Node extends HistoryNode {
  readonly parent: Node | undefined;
  readonly operations: ReadonlySet<string>;
}

export function checkForkStar({
  context,
  isCorrect,
  stateOf,
  clientKeyOf,
  report,
}: ForkStarOptions): ForkStar {
  const { replicaCount } = context.cluster.thresholds;
  const nodes = new Map<string, Node>();
  const accepted: Accepted[] = [];
  const issued = new Map<string, number>();
  const signed = new Set<string>();
  const correctKeys = new Set<string>();
  /** What each replica's service has applied since its last entry. */
  const applying = new Map<ReplicaIndex, Execution[]>();
  let now = 0;

  const digestOf = (request: ClientRequest) => keyOf(requestDigest(context.cluster, context.crypto, request));

  function onExecuted(replica: ReplicaIndex, entry: EntryContent): void {
    const { sequenceNumber } = entry;
    const waiting = applying.get(replica) ?? [];
    const executions = waiting.filter((execution) => execution.sequenceNumber === sequenceNumber);
    // One step may execute several batches before it tells of any.
    applying.set(
      replica,
      waiting.filter((execution) => execution.sequenceNumber > sequenceNumber),
    );
    const id = keyOf(entry.hashChainDigest);
    const state = stateOf(replica);
    if (nodes.has(id) || state === undefined) return;
    const parentDigest = hashChainDigestAt(state, sequenceNumber - 1);
    const batch = state.log.get(sequenceNumber)?.batch;
    const parent = parentDigest === undefined ? undefined : nodes.get(keyOf(parentDigest));
    // Another correct replica that is on this branch will have both.
    if (batch === undefined || (parent === undefined && sequenceNumber > 1)) return;
    const operations = new Set(executions.map(({ client, operation }) => keyOf(client) + keyOf(operation)));
    nodes.set(id, {
      id,
      sequenceNumber,
      parent,
      requests: appliedOf(batch.requests, executions),
      operations,
    });
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
    nodes,
    accepted,
    isSigned: (history: string) => signed.has(history),
    issuedAt: (request: string) => issued.get(request),
    isCorrectSession: (session: string) => correctKeys.has(session.slice(0, KEY_LENGTH)),
  };

  return {
    onSend(from, _to, message) {
      now++;
      if (
        from < replicaCount &&
        isCorrect(from) &&
        (message.type === 'reply' || message.type === 'read-reply')
      ) {
        signed.add(keyOf(message.entry.hashChainDigest));
      }
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
    onEvent(replica, event) {
      if (event.type === 'executed' && isCorrect(replica)) onExecuted(replica, event.entry);
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
        const histories = new Set(path.map(({ id }) => id));
        return {
          sequenceNumber: tip.sequenceNumber,
          holds: (history) => histories.has(history),
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
