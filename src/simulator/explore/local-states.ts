/**
 * The states that one correct replica can come to, each once, and where each input leads from each: the core is run only for a pair that was not seen
 * before, and a state of the whole cluster is a few numbers.
 *
 * A replica cannot be copied, since its service and its log are closures. So a state is reached again by giving a new replica the inputs of its
 * history; one machine stays where it came to last, for the usual case that the next input is for that state.
 */

import type { Context } from '../../protocol/context.ts';
import type { ReplicaEvent } from '../../protocol/replica/io.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import { checkNoEquivocation } from '../checkers/no-equivocation.ts';
import { checkNoFraming } from '../checkers/no-framing.ts';
import { checkVoteChain } from '../checkers/vote-chain.ts';
import { canonical, hashed, ofReplica } from './canonical.ts';
import { type Effects, feed, letTimeoutPass, type Machine, replicaOf } from './machine.ts';
import type { MailNumber, MailTable } from './mail.ts';

/** What can happen to one replica: its clock goes on by T, its process restarts, or (from FIRST_MAIL on) a message arrives. */
export type Choice = number;
export const TIMEOUT: Choice = 0;
export const RESTART: Choice = 1;
export const FIRST_MAIL: Choice = 2;

export interface LocalState {
  readonly number: number;
  readonly parent: LocalState | undefined;
  /** What led here from `parent`. */
  readonly by: Choice;
  readonly timeouts: number;
  readonly restarts: number;
  /** All that the replica ever sent, by recipient, in ascending order. */
  readonly sentTo: readonly (readonly MailNumber[])[];
  /** Facts for the checkers, in the order in which they came about; and a number that equal sets of facts share. */
  readonly facts: readonly ReplicaEvent[];
  readonly factsNumber: number;
  /** The first property that this replica alone violates, or that made it stop. */
  readonly violation: string | undefined;
  /** A request waits here. */
  readonly isWaiting: boolean;
  /** When its next timer is due, on its own clock. */
  readonly wakeAtMs: number;
  /** Where choices lead that were tried; itself where nothing changes that matters. */
  readonly next: Map<Choice, LocalState>;
}

export interface LocalStates {
  readonly root: LocalState;
  readonly count: number;
  /** Steps of the core that were taken to reach a state again. */
  readonly replayed: number;
  at(number: number): LocalState;
  after(state: LocalState, choice: Choice): LocalState;
}

export interface LocalStatesOptions {
  readonly context: Context;
  readonly isCorrect: (index: ReplicaIndex) => boolean;
  readonly mails: MailTable;
  /** A new machine after the prelude, the same each time, and all that it did until then. */
  readonly begin: () => { readonly machine: Machine; readonly effects: Effects };
  readonly restart: (machine: Machine) => Effects;
  /** Equal texts, equal numbers; over all replicas. */
  readonly numberFacts: (text: string) => number;
  /** Told of each new pair of state and choice that has an effect. */
  readonly onStep: (state: LocalState, choice: Choice, effects: Effects) => void;
}

/** What agreement and evidence are judged by. */
const FACTS: ReadonlySet<ReplicaEvent['type']> = new Set([
  'accepted',
  'voted',
  'committed',
  'executed',
  'checkpointed',
  'evidence',
  'orderingStopped',
  'diverged',
]);

export function makeLocalStates(options: LocalStatesOptions): LocalStates {
  const { context, mails } = options;
  const { replicaCount } = context.cluster.thresholds;
  const states: LocalState[] = [];
  const byKey = new Map<string, LocalState>();
  let replayed = 0;

  const begun = options.begin();
  let live = { machine: begun.machine, at: intern(begun.machine, undefined, FIRST_MAIL, begun.effects) };
  const root = live.at;

  function apply(machine: Machine, choice: Choice): Effects {
    if (choice === TIMEOUT) return letTimeoutPass(machine);
    if (choice === RESTART) return options.restart(machine);
    const { from, message } = mails.at(choice - FIRST_MAIL);
    return feed(machine, { type: 'receive', from, message });
  }

  function machineAt(state: LocalState): Machine {
    if (live.at === state) return live.machine;
    const choices: Choice[] = [];
    for (let at = state; at.parent !== undefined; at = at.parent) choices.push(at.by);
    const { machine } = options.begin();
    for (const choice of choices.reverse()) apply(machine, choice);
    replayed += choices.length;
    return machine;
  }

  function intern(
    machine: Machine,
    parent: LocalState | undefined,
    by: Choice,
    { sent, events }: Effects,
  ): LocalState {
    const { index } = machine;
    const replica = replicaOf(machine);
    const sentTo = Array.from({ length: replicaCount }, (_, to) => {
      const numbers = new Set(parent?.sentTo[to]);
      for (const each of sent) {
        // STATUS repeats what is lost. Here nothing is: the network delivers again whatever it likes.
        if (each.to !== to || each.message.type === 'status') continue;
        numbers.add(mails.number({ from: { kind: 'replica', index }, to, message: each.message }));
      }
      return [...numbers].sort((a, b) => a - b);
    });
    const news = events.filter((event) => FACTS.has(event.type));
    const facts =
      news.length === 0 && parent !== undefined ? parent.facts : [...(parent?.facts ?? []), ...news];
    const factsNumber =
      facts === parent?.facts
        ? parent.factsNumber
        : options.numberFacts([...new Set(facts.map(canonical))].sort().join());
    const timeouts = (parent?.timeouts ?? 0) + (by === TIMEOUT ? 1 : 0);
    const restarts = (parent?.restarts ?? 0) + (by === RESTART ? 1 : 0);
    const text = `${ofReplica(replica)}#${sentTo.join('/')}#${factsNumber}#${timeouts}#${restarts}`;
    const key = hashed(text);
    const known = byKey.get(key);
    if (known !== undefined) return known;
    const state: LocalState = {
      number: states.length,
      parent,
      by,
      timeouts,
      restarts,
      sentTo,
      facts,
      factsNumber,
      violation: violationOf(index, sentTo, facts),
      isWaiting: replica.pending.size > 0,
      wakeAtMs: replica.wakeAtMs,
      next: new Map(),
    };
    states.push(state);
    byKey.set(key, state);
    return state;
  }

  function violationOf(
    index: ReplicaIndex,
    sentTo: LocalState['sentTo'],
    facts: readonly ReplicaEvent[],
  ): string | undefined {
    let found: string | undefined;
    const report = (_: string, property: string, text: string) => {
      found ??= `${property}: ${text}`;
    };
    const equivocation = checkNoEquivocation(replicaCount, options.isCorrect, report);
    const framing = checkNoFraming(options.isCorrect, () => true, report);
    const chain = checkVoteChain(context, options.isCorrect, report);
    for (const number of sentTo.flat()) equivocation.onSend?.(index, [], mails.at(number).message, 0);
    for (const event of facts) {
      framing.onEvent?.(index, event);
      chain.onEvent?.(index, event);
    }
    return found;
  }

  /** A replica that stopped itself: it does nothing any more, and that is a violation. */
  function stopped(state: LocalState, by: Choice, error: unknown): LocalState {
    const text = error instanceof Error ? error.message : String(error);
    const dead: LocalState = {
      ...state,
      number: states.length,
      parent: state,
      by,
      violation: `crash: ${text}`,
      next: new Map(),
    };
    states.push(dead);
    return dead;
  }

  return {
    root,
    get count() {
      return states.length;
    },
    get replayed() {
      return replayed;
    },
    at: (number) => states[number]!,
    after(state, choice) {
      let next = state.next.get(choice);
      if (next !== undefined) return next;
      const machine = machineAt(state);
      try {
        const effects = apply(machine, choice);
        next = intern(machine, state, choice, effects);
        live = { machine, at: next };
        if (next !== state) options.onStep(state, choice, effects);
      } catch (error) {
        next = stopped(state, choice, error);
        live = { machine: options.begin().machine, at: root };
      }
      state.next.set(choice, next);
      return next;
    },
  };
}
