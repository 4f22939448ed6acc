/** The cluster of an exploration: correct replicas as tables of their states, the liar as a menu, and what may happen next in a state of all. */

import { mixingHash } from '../../crypto/mixing-hash.ts';
import { makeSimulatedCrypto } from '../../crypto/simulated.ts';
import { makeOpen, OPEN_NONCE_BYTES } from '../../protocol/client/open.ts';
import type { Context } from '../../protocol/context.ts';
import { DEFAULT_GENESIS_LIMITS, makeCluster } from '../../protocol/genesis.ts';
import type { Message } from '../../protocol/messages/index.ts';
import type { ClientRequest } from '../../protocol/messages/request.ts';
import { DEFAULT_LOCAL_LIMITS } from '../../protocol/replica/limits.ts';
import type { ServiceFactory } from '../../services/service.ts';
import { assert } from '../../types/assert.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import { BUGS, type BugName } from '../bugs.ts';
import { checkAgreement } from '../checkers/agreement.ts';
import { WALL_ORIGIN_MS } from '../replica-driver.ts';
import { correctReplica } from '../replica-program.ts';
import type { Liar } from './liar.ts';
import {
  type Choice,
  FIRST_MAIL,
  type LocalState,
  type LocalStates,
  makeLocalStates,
  RESTART,
  TIMEOUT,
} from './local-states.ts';
import { type Effects, feed, type Machine, makeMachine, restart } from './machine.ts';
import { type MailNumber, type MailTable, makeMailTable } from './mail.ts';
import { type ExplorationScenario, REQUESTS } from './scenarios.ts';

const REPLICAS = 4;

/** Heartbeats and their STATUS are no part of an exploration: this is later than any timer that is. */
const NEVER_MS = 1_000_000_000;

/** One state for each correct replica, in the order of `World.correct`. */
export type GlobalState = readonly LocalState[];

/** What happens next: to the correct replica at this place. */
export interface Step {
  readonly place: number;
  readonly choice: Choice;
}

export interface World {
  readonly context: Context;
  readonly correct: readonly ReplicaIndex[];
  readonly mails: MailTable;
  readonly locals: readonly LocalStates[];
  /** How often a message of each type, a timeout and a restart changed a replica; and what replicas reported, by type and view. */
  readonly coverage: { readonly delivered: Map<string, number>; readonly reported: Map<string, number> };
  /** After the prelude. */
  readonly root: GlobalState;
  /** Calls `visit` with each step that changes something. */
  forEachStep(state: GlobalState, visit: (place: number, choice: Choice, next: LocalState) => void): void;
  /**
   * What happens if nothing else does: the oldest message that changes something arrives, or the newest; if there is none and a request waits, T
   * passes at whoever is next.
   */
  usualStep(
    state: GlobalState,
    first: 'oldest' | 'newest',
  ): (Step & { readonly next: LocalState }) | undefined;
  /** The first property that this state violates. */
  violationOf(state: GlobalState): string | undefined;
}

export function makeWorld(scenario: ExplorationScenario, bugName?: BugName): World {
  const backend = makeSimulatedCrypto(mixingHash);
  const seed = (text: string) => mixingHash(new TextEncoder().encode(text));
  const signers = Array.from({ length: REPLICAS }, (_, i) => backend.signerFromSeed(seed(`replica ${i}`)));
  const genesis = {
    name: 'exploration',
    service: 'none',
    replicas: signers.map((signer) => signer.publicKey),
    quorumSize: 3,
    listedOnly: false,
    listed: [],
    limits: DEFAULT_GENESIS_LIMITS,
  };
  const context: Context = { cluster: makeCluster(genesis, backend.crypto), crypto: backend.crypto };
  const { liar: liarIndex } = scenario;
  const correct = signers.flatMap((_, index) => (index === liarIndex ? [] : [index]));
  const isCorrect = (index: ReplicaIndex) => index !== liarIndex;
  const bug = bugName === undefined ? {} : BUGS[bugName];

  const requests: readonly ClientRequest[] = Array.from({ length: REQUESTS }, (_, i) => {
    const nonce = new Uint8Array(OPEN_NONCE_BYTES).fill(i + 1);
    const seen = { sequenceNumber: 0, hashChainDigest: context.cluster.id };
    return makeOpen(context, backend.signerFromSeed(seed(`client ${i}`)), nonce, seen);
  });
  const batches = requests.map((request) => ({ timeMs: WALL_ORIGIN_MS, requests: [request] }));
  const menu = scenario.menu(batches);
  const liar: Liar = { index: liarIndex, context, signer: signers[liarIndex]! };

  const program = (index: ReplicaIndex) => {
    const written = correctReplica({
      context: bug.replicaContext?.(context) ?? context,
      index,
      signer: signers[index]!,
      service: noService,
      limits: {
        ...DEFAULT_LOCAL_LIMITS,
        heartbeatMs: NEVER_MS,
        idleHeartbeatMs: NEVER_MS,
        // Nobody waits for company: time stands still.
        batchDelayMs: 0,
      },
    });
    return bug.program?.(written, context, signers[index]!) ?? written;
  };
  const programs = signers.map((_, index) => program(index));
  /** What each replica says of itself when it starts, to each other one. */
  const greetings = correct.map((index) => ({
    index,
    sent: makeMachine(index, programs[index]!).effects.sent,
  }));

  function greet(machine: Machine, effects: Effects): Effects {
    for (const { index, sent } of greetings) {
      for (const { to, message } of sent) {
        if (to !== machine.index) continue;
        append(effects, feed(machine, { type: 'receive', from: { kind: 'replica', index }, message }));
      }
    }
    return effects;
  }

  function begin(index: ReplicaIndex): { machine: Machine; effects: Effects } {
    const { machine, effects } = makeMachine(index, programs[index]!);
    greet(machine, effects);
    append(effects, feed(machine, { type: 'tick' }));
    for (const request of requests) {
      const from = { kind: 'client', key: request.client } as const;
      append(effects, feed(machine, { type: 'receive', from, message: { type: 'request', request } }));
    }
    return { machine, effects };
  }

  const coverage = { delivered: new Map<string, number>(), reported: new Map<string, number>() };
  const count = (counts: Map<string, number>, what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);

  const factsNumbers = new Map<string, number>();
  const mails = makeMailTable();
  const locals = correct.map((index) =>
    makeLocalStates({
      context,
      isCorrect,
      mails,
      begin: () => begin(index),
      restart: (machine) => greet(machine, restart(machine)),
      numberFacts(text) {
        const number = factsNumbers.get(text) ?? factsNumbers.size;
        factsNumbers.set(text, number);
        return number;
      },
      onStep(_, choice, { events }) {
        count(coverage.delivered, nameOfChoice(mails, choice));
        for (const event of events) {
          if (event.type === 'viewEntered') count(coverage.reported, `entered view ${event.view}`);
          else if (event.type === 'committed')
            count(coverage.reported, `committed s${event.sequenceNumber} in view ${event.view}`);
          else if (event.type === 'evidence') count(coverage.reported, `evidence: ${event.evidence.type}`);
          else if (event.type === 'executed')
            count(coverage.reported, `executed s${event.entry.sequenceNumber}`);
        }
      },
    }),
  );

  /** What the liar may say to each, by what each correct replica has told it. */
  const said = new Map<string, readonly (readonly MailNumber[])[]>();

  function saidIn(state: GlobalState): readonly (readonly MailNumber[])[] {
    const heard = state.map((local) => local.sentTo[liarIndex]!);
    const key = heard.join('|');
    let numbers = said.get(key);
    if (numbers === undefined) {
      const messages: readonly Message[] = heard.flat().map((number) => mails.at(number).message);
      const spoken = menu(liar, messages);
      const from = { kind: 'replica', index: liarIndex } as const;
      numbers = correct.map((to) => [
        ...new Set(spoken.map((message) => mails.number({ from, to, message }))),
      ]);
      said.set(key, numbers);
    }
    return numbers;
  }

  const judged = new Map<string, string | undefined>();

  /** All that the network has for each place, new or not. */
  function forEachMail(state: GlobalState, visit: (place: number, number: MailNumber) => void): void {
    const fromLiar = saidIn(state);
    state.forEach((local, place) => {
      const index = correct[place]!;
      for (const number of fromLiar[place]!) visit(place, number);
      for (const other of state) {
        if (other !== local) for (const number of other.sentTo[index]!) visit(place, number);
      }
    });
  }

  function after(state: GlobalState, place: number, choice: Choice): LocalState {
    const local = state[place]!;
    return local.next.get(choice) ?? locals[place]!.after(local, choice);
  }

  const world: Omit<World, 'root'> = {
    context,
    correct,
    mails,
    locals,
    coverage,
    forEachStep(state, visit) {
      const offer = (place: number, choice: Choice) => {
        const next = after(state, place, choice);
        if (next !== state[place]) visit(place, choice, next);
      };
      forEachMail(state, (place, number) => offer(place, number + FIRST_MAIL));
      state.forEach((local, place) => {
        if (local.timeouts < scenario.timeouts && local.wakeAtMs < NEVER_MS) offer(place, TIMEOUT);
        if (local.restarts === 0 && scenario.restarting.includes(correct[place]!)) offer(place, RESTART);
      });
    },
    usualStep(state, first) {
      const mail: (readonly [number: MailNumber, place: number])[] = [];
      forEachMail(state, (place, number) => mail.push([number, place]));
      mail.sort(([a], [b]) => (first === 'oldest' ? a - b : b - a));
      for (const [number, place] of mail) {
        const choice = number + FIRST_MAIL;
        const next = after(state, place, choice);
        if (next !== state[place]) return { place, choice, next };
      }
      if (state.every((local) => !local.isWaiting)) return undefined;
      const dueMs = Math.min(...state.map((local) => local.wakeAtMs));
      if (dueMs >= NEVER_MS) return undefined;
      const place = state.findIndex((local) => local.wakeAtMs === dueMs);
      return { place, choice: TIMEOUT, next: after(state, place, TIMEOUT) };
    },
    violationOf(state) {
      for (const { violation } of state) if (violation !== undefined) return violation;
      const key = state.map((local) => local.factsNumber).join();
      if (judged.has(key)) return judged.get(key);
      let found: string | undefined;
      const agreement = checkAgreement(isCorrect, (_, property, text) => {
        found ??= `${property}: ${text}`;
      });
      state.forEach((local, place) => {
        for (const event of local.facts) agreement.onEvent?.(correct[place]!, event);
      });
      judged.set(key, found);
      return found;
    },
  };

  let root: GlobalState = locals.map((table) => table.root);
  for (const [to, type, from] of scenario.prelude) {
    let chosen: { place: number; next: LocalState } | undefined;
    world.forEachStep(root, (place, choice, next) => {
      if (choice < FIRST_MAIL || correct[place] !== to) return;
      const mail = mails.at(choice - FIRST_MAIL);
      if (mail.message.type !== type || mail.from.kind !== 'replica' || mail.from.index !== from) return;
      chosen ??= { place, next };
    });
    assert(chosen !== undefined, `the prelude's ${type} from ${from} to ${to} must be in the network`);
    root = replaced(root, chosen.place, chosen.next);
  }
  return { ...world, root };
}

export function replaced(state: GlobalState, place: number, next: LocalState): GlobalState {
  return state.map((local, i) => (i === place ? next : local));
}

/** A place has so many states at most, so that a state of all three is a safe integer. */
const LOCAL_STATES_MAX = 2 ** 17;

/** Names the state among all of its world. */
export function keyOfState(state: GlobalState): number {
  let key = 0;
  for (const { number } of state) {
    assert(number < LOCAL_STATES_MAX, 'so many states of one replica have no key; explore less deep');
    key = key * LOCAL_STATES_MAX + number;
  }
  return key;
}

/** A state as it was reached; `via` is undefined at the beginning. */
export interface Reached {
  readonly state: GlobalState;
  readonly parent: Reached | undefined;
  readonly via: Step | undefined;
}

export function pathTo(reached: Reached): readonly Step[] {
  const path: Step[] = [];
  for (let at: Reached | undefined = reached; at?.via !== undefined; at = at.parent) path.push(at.via);
  return path.reverse();
}

/** `timeout`, `restart` or the type of the message. */
export function nameOfChoice(mails: MailTable, choice: Choice): string {
  if (choice === TIMEOUT) return 'timeout';
  return choice === RESTART ? 'restart' : mails.at(choice - FIRST_MAIL).message.type;
}

function append(effects: Effects, more: Effects): void {
  effects.sent.push(...more.sent);
  effects.events.push(...more.events);
}

/** Requests here open sessions, which is no business of the service. */
const noService: ServiceFactory = () => ({
  apply: () => new Uint8Array(0),
  snapshot: () => ({ digest: () => new Uint8Array(32), chunks: () => [], read: () => new Uint8Array(0) }),
  restore() {
    throw new Error('nothing is transferred in an exploration');
  },
});
