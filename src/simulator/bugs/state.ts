/** Bugs of what is executed, kept, given to others and forgotten. */

import type { Context } from '../../protocol/context.ts';
import type { WindowEntry } from '../../protocol/ledger.ts';
import type { Replica } from '../../protocol/replica/state.ts';
import type { Session } from '../../protocol/sessions.ts';
import type { Digest, SequenceNumber } from '../../types/identities.ts';
import { type Bug, bending, uttering } from './bug.ts';

/** After a state transfer nothing is known of the replies in it. */
export const repliesLostInTransfer = bending(() => {
  let transferring = false;
  return ({ transfer, ledger }) => {
    const { byAge } = ledger.sessions;
    if (transferring && transfer === undefined) {
      for (const [key, session] of byAge) byAge.set(key, { ...session, reply: undefined });
    }
    transferring = transfer?.installing === true;
  };
});

/** Sessions that remember no timestamp. */
class Timeless extends Map<string, Session> {
  override get(key: string): Session | undefined {
    const session = super.get(key);
    return session && { ...session, timestamp: 0 };
  }
}

/** What was executed is executed again when it is ordered again. */
export const executingAgain = bending(() => ({ ledger }) => {
  const { byAge } = ledger.sessions;
  if (byAge instanceof Timeless) return;
  Object.assign(ledger.sessions, { byAge: new Timeless(byAge) });
});

type RecentStates = Replica['recentStates'];

class OneEarlier extends Map<SequenceNumber, NonNullable<ReturnType<RecentStates['get']>>> {
  override get(s: SequenceNumber) {
    return super.get(s - 1) ?? super.get(s);
  }
}

/** A READ is answered with the entry of s and the state before it. */
export const readingOneEarlier = bending(() => (replica) => {
  if (replica.recentStates instanceof OneEarlier) return;
  Object.assign(replica, { recentStates: new OneEarlier(replica.recentStates) });
});

/** The chain window of a replica that takes whatever a request has seen for its own history. */
class Credulous extends Map<SequenceNumber, WindowEntry> {
  readonly claimed = new Map<SequenceNumber, Digest>();

  override get(s: SequenceNumber): WindowEntry | undefined {
    const own = super.get(s);
    const hashChainDigest = this.claimed.get(s);
    return own === undefined || hashChainDigest === undefined ? own : { ...own, hashChainDigest };
  }
}

/** `seen` is compared with nothing: a client that was moved to another fork is served there. */
export const forkCheckMissing: NonNullable<Bug['program']> = (correct) => ({
  start(recovered, leaves, clock) {
    const { running, output } = correct.start(recovered, leaves, clock);
    const { ledger } = running.state!;
    return {
      output,
      running: {
        state: running.state,
        step(input, now) {
          if (!(ledger.window instanceof Credulous)) {
            Object.assign(ledger, { window: new Credulous(ledger.window) });
          }
          const { claimed } = ledger.window as Credulous;
          const message = input.type === 'receive' ? input.message : undefined;
          if (message?.type === 'request' || message?.type === 'relay') {
            const { seen } = message.request;
            claimed.set(seen.sequenceNumber, seen.hashChainDigest);
          }
          return running.step(input, now);
        },
      },
    };
  },
});

/** Every link that arrives makes a replica forget who has said that it no longer has the bodies below. */
export const tooOldForgotten = bending(() => {
  let known = 0;
  return (replica) => {
    if (replica.committed > known) {
      replica.tooOldAt.clear();
      replica.wantsTransfer = false;
    }
    known = replica.committed;
  };
});

/** h+M is far above h: ordering goes on without checkpoints, and nothing can be forgotten. */
export function watermarkIgnored(context: Context): Context {
  const { cluster } = context;
  const limits = { ...cluster.limits, watermarkWindow: 1_000 * cluster.limits.watermarkWindow };
  return { ...context, cluster: { ...cluster, limits } };
}

class Keeping<K, V> extends Map<K, V> {
  override delete(): boolean {
    return false;
  }
}

/** Committed batches stay in memory for ever. */
export const keepingBatches = bending(() => (replica) => {
  if (replica.log instanceof Keeping) return;
  Object.assign(replica, { log: new Keeping(replica.log) });
});

/** Records stay on disk for ever. */
export const keepingRecords = uttering((output) => ({ ...output, discardBelow: undefined, carry: [] }));

/** A bad answer of one peer is taken for a fork: ordering stops. */
export const badAnswerForFork: NonNullable<Bug['program']> = (correct) => ({
  start(recovered, leaves, clock) {
    const { running, output } = correct.start(recovered, leaves, clock);
    const { state } = running;
    return {
      output,
      running: {
        state,
        step(input, now) {
          const stepped = running.step(input, now);
          if (stepped.events.some((event) => event.type === 'badAnswer')) state!.silence = 'ordering';
          return stepped;
        },
      },
    };
  },
});

/** Who finds evidence keeps it to itself. */
export const evidenceUntold = uttering((output) => ({
  ...output,
  events: output.events.filter(({ type }) => type !== 'evidence'),
  sends: output.sends.filter(({ message }) => message.type !== 'evidence'),
}));
