/**
 * Bugs of the protocol, put in on purpose: a simulator that does not find them proves little by its silence. None is in the protocol's own code,
 * which has no switch for them: each bends from outside what the core is told, says or remembers. Replicas and clients with a bug count as
 * correct ones, so the checkers must find what comes of it.
 */

import type { Signer } from '../crypto/port.ts';
import type { ClientSession } from '../protocol/client/session.ts';
import type { Context } from '../protocol/context.ts';
import { extendHashChain } from '../protocol/hash-chain.ts';
import type { Message } from '../protocol/messages/index.ts';
import type { Commit } from '../protocol/messages/ordering.ts';
import {
  type PreparedClaim,
  type Suspect,
  type ViewChange,
  viewChangeStatement,
} from '../protocol/messages/view-change.ts';
import type { DurableRecord } from '../protocol/records.ts';
import type { Output, Send } from '../protocol/replica/io.ts';
import { hashChainDigestAt } from '../protocol/replica/slots.ts';
import type { Replica } from '../protocol/replica/state.ts';
import { equalBytes } from '../types/bytes.ts';
import type { ReplicaIndex, SequenceNumber, View } from '../types/identities.ts';
import type { DriverSabotage } from './replica-driver.ts';
import type { ReplicaProgram } from './replica-program.ts';

/** What a bug may bend. All that is left out stays correct. */
interface Bug {
  /** The rules as replicas know them. */
  readonly replicaContext?: (context: Context) => Context;
  /** The rules as clients know them; the checkers keep the true ones. */
  readonly clientContext?: (context: Context) => Context;
  readonly program?: (correct: ReplicaProgram, context: Context, signer: Signer) => ReplicaProgram;
  readonly sabotage?: DriverSabotage;
  /** Called before each step of a client's session. */
  readonly bendSession?: (session: ClientSession) => void;
}

/** Q is one less: certificates, NEW-VIEWs and the leaving of views for replicas; accepted answers for clients. */
function smallerQuorum(context: Context): Context {
  const { cluster } = context;
  const thresholds = { ...cluster.thresholds, quorumSize: cluster.thresholds.quorumSize - 1 };
  return { ...context, cluster: { ...cluster, thresholds } };
}

/** Whoever's signature stands under a commit vote, it passes: in certificates too, so that C proves nothing. */
function unverifiedVotes(context: Context): Context {
  const { cluster, crypto } = context;
  const prefix = cluster.prefix('commit');
  return {
    ...context,
    crypto: {
      ...crypto,
      verify: (key, statement, signature) =>
        equalBytes(statement.subarray(0, prefix.length), prefix) || crypto.verify(key, statement, signature),
    },
  };
}

/** Changes a replica's memory before each step; `process` makes what one process needs for that. */
function bending(process: () => (replica: Replica) => void): NonNullable<Bug['program']> {
  return (correct) => ({
    start(recovered, leaves, clock) {
      const { running, output } = correct.start(recovered, leaves, clock);
      const bend = process();
      return {
        output,
        running: {
          state: running.state,
          step(input, now) {
            bend(running.state!);
            return running.step(input, now);
          },
        },
      };
    },
  });
}

/** VIEW-CHANGEs tell only some of what was prepared, consistently: on disk, on the wire and when they are repeated. */
function tellingOnly(isTold: (claim: PreparedClaim, view: View) => boolean): NonNullable<Bug['program']> {
  return (correct, { cluster, crypto }, signer) => {
    const shorten = (viewChange: ViewChange): ViewChange => {
      const { view } = viewChange;
      const shorter = { ...viewChange, prepared: viewChange.prepared.filter((claim) => isTold(claim, view)) };
      return { ...shorter, signature: signer.sign(viewChangeStatement(cluster, crypto, shorter)) };
    };
    const isOwn = ({ replica }: ViewChange) =>
      equalBytes(cluster.genesis.replicas[replica]!, signer.publicKey);
    const ofMessage = (message: Message): Message =>
      message.type === 'view-change' && isOwn(message.viewChange)
        ? { ...message, viewChange: shorten(message.viewChange) }
        : message;
    const ofSend = ({ to, message }: Send): Send => ({ to, message: ofMessage(message) });
    const ofRecord = (record: DurableRecord): DurableRecord =>
      record.type === 'left'
        ? {
            ...record,
            viewChange: { ...record.viewChange, viewChange: shorten(record.viewChange.viewChange) },
          }
        : record;
    const ofOutput = (output: Output): Output => ({
      ...output,
      persist: output.persist.map(ofRecord),
      carry: output.carry.map(ofRecord),
      sends: output.sends.map(ofSend),
      promises: output.promises.map(ofSend),
    });
    return {
      start(recovered, leaves, clock) {
        const { running, output } = correct.start(recovered, leaves, clock);
        const { state, step } = running;
        return {
          output: ofOutput(output),
          running: { state, step: (input, now) => ofOutput(step(input, now)) },
        };
      },
    };
  };
}

/** Our votes for one s, which answer differently when the vote for s+1 asks what to extend. */
class BentVotes extends Map<View, Commit> {
  private readonly instead: (votes: ReadonlyMap<View, Commit>, view: View) => Commit | undefined;

  constructor(votes: ReadonlyMap<View, Commit>, instead: BentVotes['instead']) {
    super(votes);
    this.instead = instead;
  }

  override get(view: View): Commit | undefined {
    return super.get(view) ?? this.instead(this, view);
  }
}

/** `instead`: what the vote for s+1 extends where there is no vote for s in its view. */
function extending(
  instead: (
    replica: Replica,
    s: SequenceNumber,
    votes: ReadonlyMap<View, Commit>,
    view: View,
  ) => Commit | undefined,
): NonNullable<Bug['program']> {
  return bending(() => (replica) => {
    for (const [s, slot] of replica.slots) {
      if (slot.ownVotes instanceof BentVotes) continue;
      const ownVotes = new BentVotes(slot.ownVotes, (votes, view) => instead(replica, s, votes, view));
      Object.assign(slot, { ownVotes });
    }
  });
}

/** What our vote for s would be, had it been prepared; in another's name, so that nobody takes it for one that was cast. */
function premature(replica: Replica, s: SequenceNumber, view: View): Commit | undefined {
  const slot = replica.slots.get(s);
  if (slot?.header?.view !== view || !slot.accepted || s <= replica.committed) return undefined;
  const previous =
    s - 1 === replica.committed
      ? hashChainDigestAt(replica, s - 1)
      : replica.slots.get(s - 1)?.ownVotes.get(view)?.hashChainDigest;
  if (previous === undefined) return undefined;
  const { replicaCount } = replica.context.cluster.thresholds;
  return {
    view,
    sequenceNumber: s,
    hashChainDigest: extendHashChain(replica.context.crypto, previous, slot.header.batchDigest),
    replica: (replica.index + 1) % replicaCount,
    signature: new Uint8Array(64),
  };
}

/** SUSPECTs by signer, each counted twice. */
class CountedTwice extends Map<ReplicaIndex, Suspect> {
  override *values(): MapIterator<Suspect> {
    yield* super.values();
    yield* super.values();
  }
}

export type BugName =
  /** Certificates of 2f: two quorums need not share a correct replica. */
  | 'certificates of 2f'
  /** Replies of 2f: a read may miss what was acknowledged. */
  | 'replies of 2f'
  /** VIEW-CHANGE without P: what a correct replica committed alone is lost. */
  | 'forgotten P'
  /** P of the last view alone: the null batch takes the place of what was prepared in an earlier one. */
  | 'null over prepared'
  /** A prepared certificate goes when a later view proposes for its s again, before anything covers it. */
  | 'prepared deleted early'
  /** A vote for s+1 while s is only accepted: a batch is committed above one that nobody has prepared. */
  | 'vote out of order'
  /** A vote chained over one of an earlier view. */
  | 'vote over an earlier view'
  /** C counts without its certificate being verified. */
  | 'C not verified'
  /** Each SUSPECT counts twice. */
  | 'SUSPECT counted twice'
  /** After a state transfer nothing is known of the replies in it. */
  | 'replies lost in transfer'
  /** Snapshots are called durable before they are: entries are signed between a transfer and its snapshot. */
  | 'entry before the snapshot'
  /** Q equal results are enough for a read, whatever the states they come from. */
  | 'reads by result';

export const BUGS: Readonly<Record<BugName, Bug>> = {
  'certificates of 2f': { replicaContext: smallerQuorum },
  'replies of 2f': { clientContext: smallerQuorum },
  'forgotten P': { program: tellingOnly(() => false) },
  'null over prepared': { program: tellingOnly((claim, view) => claim.view === view - 1) },
  'prepared deleted early': {
    program: bending(() => ({ slots }) => {
      for (const slot of slots.values()) {
        const { prepared, header } = slot;
        if (prepared !== undefined && header !== undefined && prepared.header.view < header.view) {
          slot.prepared = undefined;
        }
      }
    }),
  },
  'vote out of order': { program: extending((replica, s, _, view) => premature(replica, s, view)) },
  'vote over an earlier view': { program: extending((_replica, _s, votes) => [...votes.values()].at(-1)) },
  'C not verified': { replicaContext: unverifiedVotes },
  'SUSPECT counted twice': {
    program: bending(() => (replica) => {
      if (replica.suspects instanceof CountedTwice) return;
      Object.assign(replica, { suspects: new CountedTwice(replica.suspects) });
    }),
  },
  'replies lost in transfer': {
    program: bending(() => {
      let transferring = false;
      return ({ transfer, ledger }) => {
        const { byAge } = ledger.sessions;
        if (transferring && transfer === undefined) {
          for (const [key, session] of byAge) byAge.set(key, { ...session, reply: undefined });
        }
        transferring = transfer?.installing === true;
      };
    }),
  },
  'entry before the snapshot': { sabotage: { hastySnapshots: true } },
  'reads by result': {
    bendSession({ flight }) {
      if (flight?.type !== 'read') return;
      const agree: typeof flight.answers.agree = (a, b) =>
        a.status === b.status && equalBytes(a.resultDigest, b.resultDigest);
      Object.assign(flight.answers, { agree });
    },
  },
};
