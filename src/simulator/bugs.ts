/**
 * Bugs of the protocol, put in on purpose: a simulator that does not find them proves little by its silence. None is in the protocol's own code,
 * which has no switch for them: each bends from outside what the core is told, says or remembers. Replicas and clients with a bug count as
 * correct ones, so the checkers must find what comes of it. docs/mutants.md has the table of what finds which, and how soon.
 */

import { type Bug, forgetting, withholding } from './bugs/bug.ts';
import { dominatesInverted, readsByResult, sentAnew } from './bugs/clients.ts';
import {
  beliefInOne,
  smallerQuorum,
  suspectsCountedTwice,
  viewChangesCountedTwice,
  votesCountedTwice,
} from './bugs/quorums.ts';
import {
  badAnswerForFork,
  evidenceUntold,
  executingAgain,
  forkCheckMissing,
  keepingBatches,
  keepingRecords,
  readingOneEarlier,
  repliesLostInTransfer,
  tooOldForgotten,
  watermarkIgnored,
} from './bugs/state.ts';
import {
  forgottenC,
  leavingAlone,
  noNewViewTimer,
  proposingAfterRestart,
  tellingOnly,
  unverifiedVotes,
} from './bugs/view-changes.ts';
import { extending, premature, preparedDeletedEarly } from './bugs/votes.ts';

export type BugName =
  // --- Quorums ---
  /** Certificates of 2f: two quorums need not share a correct replica. */
  | 'certificates of 2f'
  /** Replies of 2f: a read may miss what was acknowledged. */
  | 'replies of 2f'
  /** One replica's word is believed where f+1 are needed. */
  | 'belief in one'
  /** Each PREPARE counts twice. */
  | 'PREPARE counted twice'
  /** Each commit vote counts twice. */
  | 'vote counted twice'
  /** Each SUSPECT counts twice. */
  | 'SUSPECT counted twice'
  /** Each VIEW-CHANGE counts twice: no NEW-VIEW is valid. */
  | 'VIEW-CHANGE counted twice'
  // --- Votes ---
  /** A prepared certificate goes when a later view proposes for its s again, before anything covers it. */
  | 'prepared deleted early'
  /** A vote for s+1 while s is only accepted: a batch is committed above one that nobody has prepared. */
  | 'vote out of order'
  /** A vote chained over one of an earlier view. */
  | 'vote over an earlier view'
  /** A process that restarts knows none of its votes, nor what it had prepared. */
  | 'votes forgotten'
  /** A process that restarts knows none of the headers that it had accepted. */
  | 'headers forgotten'
  // --- View changes ---
  /** VIEW-CHANGE without P: what a correct replica committed alone is lost. */
  | 'forgotten P'
  /** VIEW-CHANGE without C. */
  | 'forgotten C'
  /** P of the last view alone: the null batch takes the place of what was prepared in an earlier one. */
  | 'null over prepared'
  /** C counts without its certificate being verified. */
  | 'C not verified'
  /** A process that restarts does not know that it had left its view. */
  | 'VIEW-CHANGE forgotten'
  /** A process that restarts does not know the NEW-VIEW that it had entered, or made. */
  | 'NEW-VIEW forgotten'
  /** Nobody waits for the NEW-VIEW of a primary that is silent. */
  | 'no new-view timer'
  /** A replica that suspects leaves, alone, as in PBFT. */
  | 'leaving alone'
  /** A primary that restarted goes on proposing. */
  | 'proposing after a restart'
  // --- What is executed, kept and given ---
  /** What was executed is executed again when it is ordered again. */
  | 'executing again'
  /** A READ is answered with the entry of s and the state before it. */
  | 'reading one earlier'
  /** After a state transfer nothing is known of the replies in it. */
  | 'replies lost in transfer'
  /** Snapshots are called durable before they are: entries are signed between a transfer and its snapshot. */
  | 'entry before the snapshot'
  /** Promises leave without waiting for the disk. */
  | 'promise before the disk'
  /** Bodies are not written. */
  | 'bodies not written'
  /** `seen` is compared with nothing: a client that was moved to another fork is served there. */
  | 'fork check missing'
  /** Committed batches stay in memory for ever. */
  | 'batches kept'
  /** Ordering goes on without checkpoints. */
  | 'watermark ignored'
  /** As long as links arrive, a replica whose bodies are gone everywhere never copies the state. */
  | 'too old forgotten'
  /** Records stay on disk for ever. */
  | 'records kept'
  /** A bad answer of one peer is taken for a fork. */
  | 'bad answer for a fork'
  /** Who finds evidence keeps it to itself. */
  | 'evidence untold'
  /** STATUS is never sent: nothing lost is ever repeated. */
  | 'no STATUS'
  /** FETCH is never sent. */
  | 'no FETCH'
  // --- Clients ---
  /** Q equal results are enough for a read, whatever the states they come from. */
  | 'reads by result'
  /** A request that was not answered at once is sent again under another timestamp. */
  | 'sent anew'
  /** `dominates` the wrong way round: V keeps the oldest entry of each replica. */
  | 'dominates inverted';

export const BUGS: Readonly<Record<BugName, Bug>> = {
  'certificates of 2f': { replicaContext: smallerQuorum },
  'replies of 2f': { clientContext: smallerQuorum },
  'belief in one': { replicaContext: beliefInOne },
  'PREPARE counted twice': { program: votesCountedTwice('prepares') },
  'vote counted twice': { program: votesCountedTwice('commits') },
  'SUSPECT counted twice': { program: suspectsCountedTwice },
  'VIEW-CHANGE counted twice': { program: viewChangesCountedTwice },
  'prepared deleted early': { program: preparedDeletedEarly },
  'vote out of order': { program: extending((replica, s, _, view) => premature(replica, s, view)) },
  'vote over an earlier view': { program: extending((_replica, _s, votes) => [...votes.values()].at(-1)) },
  'votes forgotten': { program: forgetting('prepared') },
  'headers forgotten': { program: forgetting('accepted') },
  'forgotten P': { program: tellingOnly(() => false) },
  'forgotten C': { program: forgottenC },
  'null over prepared': { program: tellingOnly((claim, view) => claim.view === view - 1) },
  'C not verified': { replicaContext: unverifiedVotes },
  'VIEW-CHANGE forgotten': { program: forgetting('left') },
  'NEW-VIEW forgotten': { program: forgetting('entered') },
  'no new-view timer': { program: noNewViewTimer },
  'leaving alone': { program: leavingAlone },
  'proposing after a restart': { program: proposingAfterRestart },
  'executing again': { program: executingAgain },
  'reading one earlier': { program: readingOneEarlier },
  'replies lost in transfer': { program: repliesLostInTransfer },
  'entry before the snapshot': { sabotage: { hastySnapshots: true } },
  'promise before the disk': { sabotage: { skipSync: true } },
  'bodies not written': { sabotage: { forgetBodies: true } },
  'fork check missing': { program: forkCheckMissing },
  'batches kept': { program: keepingBatches },
  'watermark ignored': { replicaContext: watermarkIgnored },
  'too old forgotten': { program: tooOldForgotten },
  'records kept': { program: keepingRecords },
  'bad answer for a fork': { program: badAnswerForFork },
  'evidence untold': { program: evidenceUntold },
  'no STATUS': { program: withholding('status') },
  'no FETCH': { program: withholding('fetch') },
  'reads by result': { bendSession: readsByResult },
  'sent anew': { bendSession: sentAnew },
  'dominates inverted': { bendSession: dominatesInverted },
};

/** Who is faulty, of four replicas, in the seeds that a bug is looked for with: many show only with one that lies, and a fork needs more than f. */
export function adversaryOf(
  bug: BugName,
  seed: number,
): { readonly faulty: number; readonly attack?: 'twins' } {
  return bug === 'fork check missing' || bug === 'evidence untold'
    ? { faulty: 2, attack: 'twins' }
    : { faulty: seed % 2 };
}
