/**
 * The client of a cluster: takes operations, gives each to one of its sessions, and tells what became of it. It listens nowhere, and no
 * call waits for ever.
 */

import { decode, encode } from '../codec/index.ts';
import { randomBytes, signerFromSeed, sodiumCrypto } from '../crypto/sodium-native.ts';
import type { Evidence } from '../protocol/accountability/index.ts';
import {
  type ClientEvent,
  DEFAULT_CLIENT_LIMITS,
  makeEntryCache,
  makeFindings,
  noteEvidence,
  type Outcome,
  type Receipt,
} from '../protocol/client/index.ts';
import { type Cluster, makeCluster } from '../protocol/genesis.ts';
import { type Head, headSchema } from '../protocol/messages/entry.ts';
import type { PublicKey } from '../types/identities.ts';
import { type Call, makeCalls } from './calls.ts';
import { ClientError, invalid, type OperationOutcome } from './client-error.ts';
import { aborted, ended, forkProved, late } from './endings.ts';
import { addresseeOf, type LinkState, openLinks } from './links.ts';
import {
  assertDeadline,
  assertOptions,
  type ClientNotice,
  type ConnectOptions,
  DEFAULT_DEADLINE_MS,
  DEFAULT_NO_QUORUM_MS,
  witnessesOf,
} from './options.ts';
import { type Answer, answerOf } from './outcome.ts';
import { PROBE_TICK_MS } from './probing.ts';
import { type SessionDriver, startSessionDriver } from './session-driver.ts';
import { makeSessions } from './sessions.ts';
import { newest, openStateDirectory, type StateDirectory } from './state-directory.ts';
import { makeWitnessing } from './witnessing.ts';

export interface CallOptions {
  /** Ends the call, not the operation once that was sent. */
  readonly signal?: AbortSignal;
  /** Milliseconds until the call ends in any case; default as given to `connect`. */
  readonly deadlineMs?: number;
  /** Called before the answer of an operation that was ordered: proof of it, for anyone (docs/formats/receipt.md). Must not throw. */
  readonly onReceipt?: (receipt: Receipt) => void;
}

export interface ReadOptions extends CallOptions {
  /** Order the operation as if it changed something: slower, and the answer comes with a receipt. */
  readonly ordered?: boolean;
}

export interface Client {
  readonly cluster: Cluster;
  readonly publicKey: PublicKey;
  /** The newest head that this client has accepted; undefined: none yet. */
  readonly accepted: Head | undefined;
  /** The links, in the order of the replicas. */
  links(): readonly LinkState[];
  /** Has an operation ordered and executed, and witnessed if that is demanded. Bytes are the service's. @throws ClientError */
  submit(operation: Uint8Array, options?: CallOptions): Promise<Answer>;
  /** Asks something that changes nothing, without ordering it if the replicas agree at once. @throws ClientError */
  read(operation: Uint8Array, options?: ReadOptions): Promise<Answer>;
  /**
   * The newest head on which a quorum of replicas agree, at once or as soon as they do. It is not held against this client's own history:
   * `observe` does that. Before anything was executed there is none, and the call ends as NO_QUORUM. @throws ClientError
   */
  head(options?: CallOptions): Promise<Head>;
  /**
   * Takes a head that came from elsewhere, such as another client: from now on this client's operations see what led to it. That is so once
   * a replica has proved that it and what this client has accepted are of one history; then the later of the two is the answer.
   * @throws ClientError FORKED on proof that they are not, which is kept as evidence and ends the client; REJECTED (NO-PROOF) or NO_QUORUM
   * if nobody proved anything, which changes nothing; INVALID if no quorum has signed it
   */
  observe(head: Head, options?: CallOptions): Promise<Head>;
  /** Ends all calls, links and timers, and stores what must be kept. More calls of it wait for the same. */
  close(): Promise<void>;
}

/**
 * Opens the client's state and begins to connect; it does not wait for replicas: each call does, within its own deadline.
 * @throws ClientError INVALID or STATE
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  assertOptions(options);
  const cluster = makeCluster(options.genesis, sodiumCrypto);
  const { publicKey } = signerFromSeed(options.key);
  const state =
    options.stateDirectory === undefined
      ? undefined
      : await openStateDirectory(options.stateDirectory, { cluster, crypto: sodiumCrypto }, publicKey);
  return startClient(options, cluster, state);
}

function startClient(options: ConnectOptions, cluster: Cluster, state: StateDirectory | undefined): Client {
  const { sessions: sessionsMax = 1, durable = state !== undefined, onEvent } = options;
  const { noQuorumMs = DEFAULT_NO_QUORUM_MS } = options;
  const needed = cluster.thresholds.quorumSize;
  const context = { cluster, crypto: sodiumCrypto };
  const signer = signerFromSeed(options.key);
  const limits = { ...DEFAULT_CLIENT_LIMITS, ...options.limits };
  const entries = makeEntryCache(limits.entriesPerReplicaMax);
  const findings = makeFindings();
  const calls = makeCalls();
  const sessions = makeSessions(sessionsMax, startSession);
  /** Writes of evidence that are under way. */
  const writes = new Set<Promise<void>>();
  /** Why nothing more is taken. */
  let over: ClientError | undefined;
  /** The file of evidence with which a fork was proved. */
  let proof: string | undefined;
  let reachesQuorum = false;
  /** For how many ticks it did not; counted, so that a process that was stopped does not take its own absence for the replicas'. */
  let ticksWithout = 0;
  let closing: Promise<void> | undefined;

  const links = openLinks(options, cluster, {
    onMessage(from, message) {
      const addressee = addresseeOf(sessions.drivers, message);
      addressee?.to.input({ type: 'receive', from, message: addressee.message });
    },
    onMalformed: (from) => notify({ type: 'malformed', from }),
    onUp(replica) {
      sessions.tellAll({ type: 'connected', replica });
      notify({ type: 'linkUp', replica });
    },
    onDown: (replica, reason) => notify({ type: 'linkDown', replica, reason }),
    onReach(reachable) {
      const quorum = reachable >= needed;
      if (quorum !== reachesQuorum) {
        reachesQuorum = quorum;
        sessions.tellAll({ type: 'reach', quorum });
      }
      notify({ type: 'reach', reachable, needed });
    },
  });
  const witnessing = makeWitnessing({
    context,
    ...witnessesOf(options),
    onFork(found) {
      notify({ type: 'witnessedFork', ...found });
      if (noteEvidence({ context, findings }, found.evidence) !== undefined) onEvidence(found.evidence);
      witnessing.close();
    },
  });
  const ticking = setInterval(onTick, PROBE_TICK_MS).unref();

  /** While calls wait: looks who is silent, and ends those that have waited long enough for a quorum to come into reach. */
  function onTick(): void {
    const waiting = calls.all();
    links.tick(waiting.length > 0);
    ticksWithout = reachesQuorum ? 0 : ticksWithout + 1;
    if (ticksWithout * PROBE_TICK_MS < noQuorumMs) return;
    const longAgoMs = performance.now() - noQuorumMs;
    for (const call of waiting) if (call.sinceMs <= longAgoMs) endLate(call, noQuorumMs);
  }

  function notify(notice: ClientNotice): void {
    onEvent?.(notice);
  }

  function startSession(sessionIndex: number): SessionDriver {
    const driver = startSessionDriver({
      context,
      signer,
      random: randomBytes,
      seen: accepted(),
      durable,
      restored: durable ? state?.stored.get(sessionIndex) : undefined,
      limits,
      entries,
      findings,
      store: state && ((it) => state.write(sessionIndex, it)),
      send: (send) => links.send(sessionIndex, send),
      onOutcome: (token, outcome) => onOutcome(sessionIndex, token, outcome),
      onEvent: (event) => onSessionEvent(sessionIndex, event),
      onFailure,
    });
    driver.input({ type: 'reach', quorum: reachesQuorum });
    for (const [replica, { connected }] of links.states().entries()) {
      if (connected) driver.input({ type: 'connected', replica });
    }
    return driver;
  }

  function accepted(): Head | undefined {
    return newest([
      state?.accepted,
      ...[...sessions.drivers.values()].map(({ session }) => session.accepted),
    ]);
  }

  function onOutcome(sessionIndex: number, token: number, outcome: Outcome): void {
    if (token < 0) {
      notify({ type: 'restoredOutcome', sessionIndex, place: -1 - token, outcome });
      return;
    }
    const call = calls.find(token);
    if (call === undefined) return;
    const answer = answerOf(outcome);
    sessions.leave(call);
    if (answer.ok) call.resolve(answer.value);
    else if (answer.error.code === 'FORKED') call.resolve(forkedAnswer(answer.error));
    else call.reject(answer.error);
  }

  /** The step that brought this outcome may bring the evidence with it: the error names the file, and it is there. */
  async function forkedAnswer(error: ClientError): Promise<never> {
    await Promise.resolve();
    await Promise.all(writes);
    throw findings.forked ? forkProved(error.outcome, proof) : error;
  }

  function onSessionEvent(sessionIndex: number, event: ClientEvent): void {
    if (event.type === 'forked') {
      over ??= new ClientError(
        'FORKED',
        'not-applied',
        'this client has seen a fork of the history and takes no more operations: compare the heads that it kept with those of other clients',
      );
      keep(state?.writeFork(event.own, event.theirs));
    }
    if (event.type === 'evidence') onEvidence(event.evidence);
    notify({ ...event, sessionIndex });
  }

  /** A piece that is news. If it proves a fork, every session ends at its next step, which is now. */
  function onEvidence(evidence: Evidence): void {
    keep(state?.writeEvidence(evidence));
    if (!findings.forked) return;
    stopForked(state?.evidencePath(evidence));
    sessions.tellAll({ type: 'tick' });
  }

  function stopForked(path: string | undefined): void {
    proof = path;
    if (over === undefined || over.code === 'FORKED') over = forkProved('not-applied', path);
  }

  function keep(write: Promise<void> | undefined): void {
    if (write === undefined) return;
    const settled = write.catch(onFailure).finally(() => writes.delete(settled));
    writes.add(settled);
  }

  function onFailure(cause: unknown): void {
    const text = cause instanceof Error ? cause.message : String(cause);
    over ??= new ClientError('STATE', 'not-applied', `this client had to stop: ${text}`, { cause });
    const ending = `this client had to stop: ${text}`;
    for (const call of calls.all()) detach(call, (outcome) => ended('STATE', outcome, ending, cause));
    void close();
  }

  /** Ends the call before its operation: what was not sent is withdrawn, what was sent goes on without the caller. */
  function detach(call: Call, endingOf: (outcome: OperationOutcome) => ClientError): void {
    const driver = sessions.leave(call);
    // A read changes nothing, even where it had to be ordered.
    const isOpen = call.kind === 'submit' && driver !== undefined && isSent(driver, call);
    call.reject(endingOf(isOpen ? 'unknown' : 'not-applied'));
    driver?.input({ type: 'withdraw', token: call.token });
  }

  function endLate(call: Call, waitedMs: number): void {
    detach(call, (outcome) => late(links.states(), needed, waitedMs, outcome));
  }

  async function start(
    kind: Call['kind'],
    begin: (call: Call) => void,
    { signal, deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS, onReceipt }: CallOptions,
  ): Promise<Answer> {
    assertDeadline(deadlineMs);
    if (over !== undefined) throw over;
    if (signal?.aborted) throw aborted('not-applied', signal.reason);
    const endMs = performance.now() + deadlineMs;
    const answer = await calls.begin(
      kind,
      {
        deadlineMs,
        signal,
        onDeadline: (call) => endLate(call, deadlineMs),
        onAbort: (call, reason) => detach(call, (outcome) => aborted(outcome, reason)),
      },
      begin,
    );
    if (kind === 'submit') await witnessed(answer.head, endMs, signal);
    if (answer.receipt !== undefined) onReceipt?.(answer.receipt);
    return answer;
  }

  /** Waits for witnesses, as long as the call may: what they have not cosigned may be one of two histories. */
  async function witnessed(head: Head, endMs: number, signal: AbortSignal | undefined): Promise<void> {
    const deadline = AbortSignal.timeout(Math.max(0, Math.ceil(endMs - performance.now())));
    try {
      await witnessing.cosigned(
        head,
        AbortSignal.any(signal === undefined ? [deadline] : [deadline, signal]),
      );
    } catch {
      await Promise.all(writes);
      if (findings.forked) throw forkProved('applied', proof);
      if (over !== undefined) throw ended('CLOSED', 'applied', 'the client was closed');
      if (signal?.aborted) throw aborted('applied', signal.reason);
      throw ended('NOT_WITNESSED', 'applied', `too few witnesses have cosigned: ${witnessing.complaints()}`);
    }
  }

  function order(kind: 'submit' | 'read', operation: Uint8Array, callOptions: CallOptions): Promise<Answer> {
    // A copy: what the caller does to its bytes later must change nothing.
    const bytes = operation.slice();
    const begin = (call: Call): void =>
      sessions.enter(call, sessions.choose(), { type: kind, token: call.token, operation: bytes });
    return start(kind, begin, callOptions);
  }

  /** Every session holds the head against its own history; those that begin later start from the newest of all. */
  async function observe(head: Head, callOptions: CallOptions): Promise<Head> {
    const asked = new Set<number>();
    const ask = (index: number): Promise<Answer> => {
      asked.add(index);
      const begin = (call: Call): void =>
        sessions.enter(call, index, { type: 'observe', token: call.token, head });
      return start('observe', begin, callOptions);
    };
    if (over !== undefined) throw over;
    const answers = [await ask(sessions.choose())];
    while (true) {
      const others = [...sessions.drivers].flatMap(([index, { session }]) =>
        asked.has(index) || session.ended !== undefined ? [] : [index],
      );
      if (others.length === 0) return newest(answers.map((answer) => answer.head))!;
      answers.push(...(await Promise.all(others.map(ask))));
    }
  }

  function close(): Promise<void> {
    clearInterval(ticking);
    closing ??= end();
    return closing;
  }

  async function end(): Promise<void> {
    over ??= new ClientError('CLOSED', 'not-applied', 'this client is closed: connect again');
    witnessing.close();
    sessions.tellAll({ type: 'close' });
    await Promise.all([...sessions.drivers.values()].map((driver) => driver.settled()));
    for (const driver of sessions.drivers.values()) driver.stop();
    for (const call of calls.all()) {
      detach(call, (outcome) => ended('CLOSED', outcome, 'the client was closed'));
    }
    await Promise.all(writes);
    await links.close();
    await state?.release();
  }

  for (const { path, evidence } of state?.evidence ?? []) {
    noteEvidence({ context, findings }, evidence);
    if (findings.forked && over === undefined) stopForked(path);
  }
  for (const [index, { inFlight }] of state?.stored ?? []) {
    if (over === undefined && durable && inFlight !== undefined) sessions.start(index);
  }

  return {
    cluster,
    publicKey: signer.publicKey,
    get accepted() {
      return accepted();
    },
    links: () => links.states(),
    submit: (operation, callOptions = {}) => order('submit', operation, callOptions),
    read: (operation, { ordered = false, ...callOptions } = {}) =>
      order(ordered ? 'submit' : 'read', operation, callOptions),
    async head(callOptions = {}) {
      const begin = (call: Call): void =>
        sessions.enter(call, sessions.choose(), { type: 'head', token: call.token });
      return (await start('head', begin, callOptions)).head;
    },
    observe: async (head, callOptions = {}) => observe(copyHead(head), callOptions),
    close,
  };
}

/** @throws ClientError INVALID if it is none; whether it is signed is another matter. */
function copyHead(head: Head): Head {
  try {
    const copy = decode(headSchema, encode(headSchema, head));
    if (copy.ok) return copy.value;
    throw new Error(copy.error.reason);
  } catch (error) {
    throw invalid(`this is no head: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

/** Whether the call's operation was sent and is not settled: everything else can be withdrawn, or was never taken. */
function isSent({ session }: SessionDriver, { token }: Call): boolean {
  const { flight } = session;
  const isRefused = flight?.type === 'proof' && flight.cause.type === 'FORKED';
  const items = flight?.type === 'request' ? flight.items : isRefused ? flight.cause.items : [];
  return items.some((item) => item.token === token);
}
