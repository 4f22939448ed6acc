/**
 * Fork* consistency (docs/protocol.md §1), judged from what clients accepted. Every accepted result names its history by a hash chain digest; the
 * histories of a run form a tree, and its branches are the forks. The tree's contents are looked up by hash, so nobody's word is trusted for them.
 */

import { equalBytes } from '../types/bytes.ts';

/** One executed batch and, through its parents, the history up to it. */
export interface HistoryNode {
  /** HCD^s. */
  readonly id: string;
  readonly sequenceNumber: number;
  /** Undefined for the first batch after genesis. */
  readonly parent: HistoryNode | undefined;
  /** Those that were applied, in order. */
  readonly requests: readonly AppliedRequest[];
}

export interface AppliedRequest {
  /** The request's digest. */
  readonly id: string;
  readonly session: string;
  readonly results: readonly Uint8Array[];
}

/** What a correct client accepted; in the order in which it did. */
export interface Accepted {
  readonly client: string;
  /** The HCD of the history that the result comes from. */
  readonly history: string;
  /** Undefined for a read, which is no part of the history that it was answered from. */
  readonly request: AppliedRequest | undefined;
  /** Any clock that it shares with `issuedAt`. */
  readonly acceptedAt: number;
}

export interface ForkStarCase {
  readonly nodes: ReadonlyMap<string, HistoryNode>;
  readonly accepted: readonly Accepted[];
  /** When a correct client issued the request with this digest; undefined if none did. */
  issuedAt(request: string): number | undefined;
  /** Sessions of faulty clients may do as they like. */
  isCorrectSession(session: string): boolean;
}

export interface ForkStarBreach {
  readonly property: 'legitimate request' | 'self-consistency' | 'join at most once';
  readonly text: string;
}

/** The history up to and with the node, newest first. */
export function* pathOf(node: HistoryNode | undefined): Generator<HistoryNode> {
  for (let at = node; at !== undefined; at = at.parent) yield at;
}

/** The longest histories of which clients accepted results: more than one is a fork. */
export function tipsOf({ nodes, accepted }: ForkStarCase): readonly HistoryNode[] {
  const heads = new Set(
    accepted.map(({ history }) => nodes.get(history)).filter((node) => node !== undefined),
  );
  const inner = new Set<HistoryNode>();
  for (const head of heads) {
    for (const node of pathOf(head.parent)) {
      if (inner.has(node)) break;
      inner.add(node);
    }
  }
  return [...heads].filter((head) => !inner.has(head));
}

/** What contradicts fork* consistency; nothing, if nothing does. */
export function judgeForkStar(run: ForkStarCase): readonly ForkStarBreach[] {
  return [...judgeLegitimacy(run), ...judgeSelfConsistency(run), ...judgeJoins(run)];
}

/**
 * Every accepted result is that of its request in a history, and all that is in that history was issued before, by a client, and applied once: also
 * the order of time between operations of one branch, since what was issued after an acceptance cannot be in the history accepted.
 */
function* judgeLegitimacy(run: ForkStarCase): Generator<ForkStarBreach> {
  const property = 'legitimate request';
  const judged = new Set<HistoryNode>();
  for (const { client, history, request, acceptedAt } of run.accepted) {
    const node = run.nodes.get(history);
    if (node === undefined) {
      yield { property, text: `${client} accepted a result of a history that no correct replica executed` };
      continue;
    }
    const place = `s${node.sequenceNumber}`;
    if (request !== undefined && !node.requests.some((applied) => isSameResult(applied, request))) {
      yield { property, text: `${client} accepted at ${place} a result that no execution gave` };
    }
    for (const earlier of pathOf(node)) {
      // Acceptances come in order of time, so an earlier one was stricter.
      if (judged.has(earlier)) break;
      judged.add(earlier);
      for (const applied of earlier.requests) {
        if (!run.isCorrectSession(applied.session)) continue;
        const issuedAt = run.issuedAt(applied.id);
        if (issuedAt !== undefined && issuedAt <= acceptedAt) continue;
        const when = issuedAt === undefined ? 'no client issued' : 'was issued only after that';
        yield {
          property,
          text: `${client} accepted a history with a request at s${earlier.sequenceNumber} that ${when}`,
        };
      }
    }
  }
  for (const tip of tipsOf(run)) {
    const seen = new Set<string>();
    for (const node of pathOf(tip)) {
      for (const { id, session } of node.requests) {
        if (seen.has(id) && run.isCorrectSession(session)) {
          yield { property, text: `a history up to s${tip.sequenceNumber} holds a request twice` };
        }
        seen.add(id);
      }
    }
  }
}

function isSameResult(a: AppliedRequest, b: AppliedRequest): boolean {
  return (
    a.id === b.id &&
    a.results.length === b.results.length &&
    a.results.every((result, index) => equalBytes(result, b.results[index]!))
  );
}

/** A client's next accepted history begins with all of its last one. */
function* judgeSelfConsistency({ nodes, accepted }: ForkStarCase): Generator<ForkStarBreach> {
  const last = new Map<string, HistoryNode>();
  for (const { client, history } of accepted) {
    const node = nodes.get(history);
    if (node === undefined) continue;
    const before = last.get(client);
    if (before !== undefined && !isPrefix(before, node)) {
      yield {
        property: 'self-consistency',
        text: `${client} accepted a history up to s${node.sequenceNumber} that does not go on from the one up to s${before.sequenceNumber} that it accepted before`,
      };
    }
    last.set(client, node);
  }
}

function isPrefix(a: HistoryNode, b: HistoryNode): boolean {
  for (const node of pathOf(b)) {
    if (node === a) return true;
    if (node.sequenceNumber <= a.sequenceNumber) return false;
  }
  return false;
}

/** Two forks may hold one request of a session in common after they parted, since it was under way then; of two, the first would lie in what they share. */
function* judgeJoins(run: ForkStarCase): Generator<ForkStarBreach> {
  const tips = tipsOf(run);
  for (let i = 0; i < tips.length; i++) {
    const mine = new Set(pathOf(tips[i]));
    for (const other of tips.slice(i + 1)) {
      const theirs = new Map<string, string>();
      for (const node of pathOf(other)) {
        if (mine.has(node)) break;
        for (const { id, session } of node.requests) theirs.set(id, session);
      }
      const shared = new Map<string, number>();
      const common = new Set(pathOf(other));
      for (const node of pathOf(tips[i])) {
        if (common.has(node)) break;
        for (const { id, session } of node.requests) {
          if (theirs.has(id) && run.isCorrectSession(session))
            shared.set(session, (shared.get(session) ?? 0) + 1);
        }
      }
      for (const count of shared.values()) {
        if (count <= 1) continue;
        yield {
          property: 'join at most once',
          text: `${count} requests of one session are in two histories, up to s${tips[i]!.sequenceNumber} and s${other.sequenceNumber}, after they parted`,
        };
      }
    }
  }
}
