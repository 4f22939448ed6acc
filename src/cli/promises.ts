/**
 * Which row of the table of promises (docs/protocol.md §1) holds now, judged by what the replicas say of themselves. Whoever does not
 * answer, or contradicts most, is counted as faulty: the words say what holds even if that is so. Of replicas that cannot be asked nothing is
 * known; where it depends on them, the words say so.
 */

import type { NodeStatus } from '../node/index.ts';
import type { Thresholds } from '../protocol/quorum.ts';
import type { ReplicaReport } from './replica-status.ts';

export type Promised =
  /** Linearizable and live. */
  | 'all'
  /** Linearizable, but without progress. */
  | 'linearizable'
  /** Fork* consistent, without progress. */
  | 'fork*'
  | 'nothing'
  /** It depends on replicas that cannot be asked. */
  | 'unknown';

export interface Assessment {
  readonly promised: Promised;
  /** Replicas that answer, agree and take part. */
  readonly good: readonly number[];
  /** Why each of the others is not counted among them. */
  readonly doubts: readonly { readonly index: number; readonly why: string }[];
  /** Sequence numbers at which replicas say that they have executed different histories. */
  readonly forks: readonly { readonly sequenceNumber: number; readonly replicas: readonly number[] }[];
  /** Whole sentences. */
  readonly words: string;
}

export function assess(
  reports: readonly ReplicaReport[],
  clusterId: string,
  thresholds: Thresholds,
): Assessment {
  const members = reports.filter((it) => it.answers && it.status.clusterId === clusterId);
  const statuses = members.flatMap((it) => (it.answers ? [it.status] : []));
  const groups = contradictions(statuses);
  const minority = new Set(groups.flatMap(minorityOf));
  const doubts = reports.flatMap((report) => {
    const why = doubtOf(report, clusterId, minority, statuses, thresholds.beliefSize);
    return why === undefined ? [] : [{ index: report.index, why }];
  });
  const doubtful = new Set(doubts.map(({ index }) => index));
  const good = reports.map(({ index }) => index).filter((index) => !doubtful.has(index));
  const unasked = reports.flatMap((it) => (it.answers || it.asked ? [] : [it.index]));
  const faulty = doubts.length - unasked.length;
  const ifWell = promisedWith(faulty, thresholds);
  const isSure = ifWell === promisedWith(doubts.length, thresholds);
  const forks = groups.map((group) => ({
    sequenceNumber: group[0]!.executed,
    replicas: group.map(({ index }) => index),
  }));
  return {
    promised: isSure ? ifWell : 'unknown',
    good,
    doubts,
    forks,
    words: isSure
      ? wordsOf(ifWell, doubts.length, thresholds, forks)
      : `${unaskedWords(unasked)} ${wordsOf(ifWell, faulty, thresholds, forks)}`,
  };
}

function unaskedWords(unasked: readonly number[]): string {
  const [who, they] = unasked.length === 1 ? ['Replica', 'it is'] : ['Replicas', 'they are'];
  return `${who} ${unasked.join(', ')} cannot be asked from here (client.json names no status port), so nothing certain can be said. If ${they} well:`;
}

/** Replicas that have executed as many batches as each other but not the same ones, or with other results. */
function contradictions(statuses: readonly NodeStatus[]): readonly (readonly NodeStatus[])[] {
  const bySequenceNumber = new Map<number, NodeStatus[]>();
  for (const status of statuses) {
    const group = bySequenceNumber.get(status.executed);
    if (group === undefined) bySequenceNumber.set(status.executed, [status]);
    else group.push(status);
  }
  return [...bySequenceNumber.values()].filter((group) => new Set(group.map(historyOf)).size > 1);
}

function historyOf({ hashChainDigest, logRoot, stateDigest }: NodeStatus): string {
  return `${hashChainDigest} ${logRoot} ${stateDigest}`;
}

/** All but the largest part that agrees; of equally large ones nobody can say which is right. */
function minorityOf(group: readonly NodeStatus[]): readonly number[] {
  const sizes = new Map<string, number>();
  for (const status of group) sizes.set(historyOf(status), (sizes.get(historyOf(status)) ?? 0) + 1);
  const largest = Math.max(...sizes.values());
  const winners = [...sizes].filter(([, size]) => size === largest);
  const [winner] = winners.length === 1 ? winners[0]! : [undefined];
  return group.filter((status) => historyOf(status) !== winner).map(({ index }) => index);
}

function doubtOf(
  report: ReplicaReport,
  clusterId: string,
  minority: ReadonlySet<number>,
  statuses: readonly NodeStatus[],
  beliefSize: number,
): string | undefined {
  if (!report.answers) return report.reason;
  const { index, status } = report;
  if (status.clusterId !== clusterId) return `belongs to another cluster (${status.clusterId.slice(0, 12)}…)`;
  if (minority.has(index)) return `contradicts others at sequence number ${status.executed}`;
  const accusers = statuses.filter(({ guilty }) => guilty.includes(index)).length;
  if (accusers >= beliefSize) return `was proved faulty, say ${accusers} replicas`;
  if (status.silence === 'learner') return 'is a learner: it signs nothing any more and needs a new key';
  if (status.silence === 'ordering')
    return 'has seen proof of more than f faulty replicas and orders nothing';
  return status.started ? undefined : 'has not heard from enough others yet';
}

type Certain = Exclude<Promised, 'unknown'>;

function promisedWith(faulty: number, { linearizableWhile, liveWhile, forkStarWhile }: Thresholds): Certain {
  if (faulty <= linearizableWhile) return faulty <= liveWhile ? 'all' : 'linearizable';
  return faulty <= forkStarWhile ? 'fork*' : 'nothing';
}

function wordsOf(
  promised: Certain,
  faulty: number,
  thresholds: Thresholds,
  forks: Assessment['forks'],
): string {
  const { replicaCount: n, quorumSize, linearizableWhile, liveWhile } = thresholds;
  const good = n - faulty;
  const answering = `${good} of ${n} replicas answer and agree.`;
  const others = faulty === 1 ? 'the other one' : `the other ${faulty}`;
  const fork = forks.map(
    ({ sequenceNumber, replicas }) =>
      ` The histories of replicas ${replicas.join(', ')} differ at sequence number ${sequenceNumber}: some of them are faulty.`,
  );
  const stuck = `No progress: ${quorumSize} are needed, so ${quorumSize - good} more must come back.`;
  switch (promised) {
    case 'all': {
      const more = Math.min(linearizableWhile, liveWhile) - faulty;
      const even = faulty === 0 ? '' : `, even if ${others} ${faulty === 1 ? 'is' : 'are'} malicious`;
      const spare =
        more > 0
          ? `as long as no more than ${more} of them ${more === 1 ? 'fails' : 'fail'}`
          : 'as long as none of these fails';
      return `${answering} Linearizable and live${even}: every result is that of one history in real-time order, and requests are answered, ${spare}.${fork.join('')}`;
    }
    case 'linearizable':
      return `${answering} Linearizable, but not live. ${stuck}${fork.join('')}`;
    case 'fork*':
      return `${answering} ${stuck} What was acknowledged stays linearizable if ${others} ${faulty === 1 ? 'has' : 'have'} only stopped. If malicious, fork* consistency still holds: results come from requests that clients really issued, every session sees all of its own operations in order, and forked histories never join again unseen; a fork can be proved once two of its heads meet.${fork.join('')}`;
    default:
      return `${answering} ${stuck} If ${others} are malicious, nothing is promised; if they have only stopped, what was acknowledged is kept on their disks.${fork.join('')}`;
  }
}
