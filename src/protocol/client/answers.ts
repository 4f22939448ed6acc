/**
 * Verified answers to what a client has in flight, counted by replica. A replica counts once for each content; of one that changes its
 * mind only the last few contents are kept, so that it can fill no more than its own places. (A correct replica may have two:
 * a request of an unknown session is answered anew each time it is ordered.)
 */

import type { ReplicaIndex } from '../../types/identities.ts';

export interface Answers<A> {
  readonly byReplica: Map<ReplicaIndex, A[]>;
  readonly perReplicaMax: number;
  /** Whether two answers agree, so that they count together. */
  readonly agree: (a: A, b: A) => boolean;
  /** Whether an answer brings the result itself, not only its hash; such a one is not replaced by one that does not. */
  readonly isFull: (answer: A) => boolean;
}

export function makeAnswers<A>(
  perReplicaMax: number,
  agree: (a: A, b: A) => boolean,
  isFull: (answer: A) => boolean,
): Answers<A> {
  return { byReplica: new Map(), perReplicaMax, agree, isFull };
}

/** Adds a verified answer and returns all that agree with it, itself included, one per replica. */
export function addAnswer<A>(answers: Answers<A>, replica: ReplicaIndex, answer: A): readonly A[] {
  const { byReplica, perReplicaMax, agree, isFull } = answers;
  const own = byReplica.get(replica) ?? [];
  const same = own.find((held) => agree(held, answer));
  const kept = same !== undefined && isFull(same) ? same : answer;
  byReplica.set(replica, [...own.filter((held) => held !== same), kept].slice(-perReplicaMax));
  return agreeingWith(answers, answer);
}

/** One answer of each replica that has given one agreeing with `answer`. */
export function agreeingWith<A>(answers: Answers<A>, answer: A): readonly A[] {
  const agreeing: A[] = [];
  for (const own of answers.byReplica.values()) {
    const match = own.find((held) => answers.agree(held, answer));
    if (match !== undefined) agreeing.push(match);
  }
  return agreeing;
}
