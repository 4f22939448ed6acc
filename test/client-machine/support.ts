/** Drives one client session against a fake cluster: keeps the clock, and collects what comes out. */

import { sha256 } from '../../src/crypto/sha256.ts';
import {
  type ClientEvent,
  type ClientInput,
  type ClientOutput,
  type ClientSession,
  clientStep,
  DEFAULT_CLIENT_LIMITS,
  type DurableSession,
  type Outcome,
  type SessionOptions,
  startSession,
} from '../../src/protocol/client/index.ts';
import type { ClientSend } from '../../src/protocol/client/io.ts';
import type { Message, MessageOf, MessageType } from '../../src/protocol/messages/index.ts';
import type { Status } from '../../src/protocol/messages/reply.ts';
import type { ClientRequest } from '../../src/protocol/messages/request.ts';
import { u32Bytes, utf8 } from '../../src/types/bytes.ts';
import { type FakeCluster, fakeSigner, makeFakeCluster } from '../support/fake-cluster.ts';

export interface Driver {
  readonly cluster: FakeCluster;
  readonly session: ClientSession;
  nowMs: number;
  /** Everything since the start. */
  readonly sends: ClientSend[];
  readonly outcomes: Map<number, Outcome>;
  readonly events: ClientEvent[];
  readonly outputs: ClientOutput[];
  stored: DurableSession | undefined;
  wakeAtMs: number;
}

export function drive(
  cluster: FakeCluster = makeFakeCluster(),
  options: Partial<SessionOptions> = {},
  nowMs = 0,
): Driver {
  let drawn = 0;
  const { session, output } = startSession(
    {
      context: cluster.context,
      signer: fakeSigner('client'),
      random: (length) => sha256(utf8('random'), u32Bytes(drawn++)).slice(0, length),
      seen: undefined,
      durable: false,
      restored: undefined,
      limits: DEFAULT_CLIENT_LIMITS,
      ...options,
    },
    { monotonicMs: nowMs, wallMs: 0 },
  );
  const driver: Driver = {
    cluster,
    session,
    nowMs,
    sends: [],
    outcomes: new Map(),
    events: [],
    outputs: [],
    stored: options.restored,
    wakeAtMs: 0,
  };
  collect(driver, output);
  return driver;
}

function collect(driver: Driver, output: ClientOutput): ClientOutput {
  driver.outputs.push(output);
  driver.sends.push(...output.sends);
  driver.events.push(...output.events);
  for (const { token, outcome } of output.completions) {
    if (driver.outcomes.has(token)) throw new Error(`token ${token} was completed twice`);
    driver.outcomes.set(token, outcome);
  }
  if (output.persist !== undefined) driver.stored = output.persist;
  driver.wakeAtMs = output.wakeAtMs;
  return output;
}

export function step(driver: Driver, input: ClientInput): ClientOutput {
  return collect(driver, clientStep(driver.session, input, { monotonicMs: driver.nowMs, wallMs: 0 }));
}

export function submit(driver: Driver, token: number, text: string): ClientOutput {
  return step(driver, { type: 'submit', token, operation: utf8(text) });
}

export function read(driver: Driver, token: number, text: string): ClientOutput {
  return step(driver, { type: 'read', token, operation: utf8(text) });
}

export function receive(driver: Driver, from: number, message: Message): ClientOutput {
  return step(driver, { type: 'receive', from, message });
}

/** Lets the time pass to when the session wants to be woken. */
export function wake(driver: Driver): ClientOutput {
  driver.nowMs = Math.max(driver.nowMs, driver.wakeAtMs);
  return step(driver, { type: 'tick' });
}

export function lastSent<T extends MessageType>(driver: Driver, type: T): MessageOf<T> {
  const send = driver.sends.findLast(({ message }) => message.type === type);
  if (send === undefined) throw new Error(`the session has sent no ${type}`);
  return send.message as MessageOf<T>;
}

export function lastRequest(driver: Driver): ClientRequest {
  return lastSent(driver, 'request').request;
}

/** Executes what is in flight and gives the session the replies of `replicas`. */
export function answer(
  driver: Driver,
  options: { status?: Status; results?: readonly Uint8Array[]; replicas?: readonly number[] } = {},
): ClientOutput {
  const executed = driver.cluster.execute(lastRequest(driver), options);
  let output: ClientOutput | undefined;
  for (const replica of options.replicas ?? [0, 1, 2]) {
    output = receive(driver, replica, driver.cluster.reply(replica, executed));
  }
  return output!;
}

/** A driver whose session is open, after `before` has happened to the cluster. */
export function opened(cluster?: FakeCluster, options?: Partial<SessionOptions>): Driver {
  const driver = drive(cluster, options);
  submit(driver, 0, 'first');
  answer(driver);
  answer(driver);
  if (driver.outcomes.get(0)?.type !== 'accepted') throw new Error('the first operation was not accepted');
  return driver;
}

export function refusals(driver: Driver): readonly string[] {
  return driver.events.flatMap((event) => (event.type === 'refused' ? [event.reason] : []));
}

export function eventsOf<T extends ClientEvent['type']>(
  driver: Driver,
  type: T,
): readonly Extract<ClientEvent, { type: T }>[] {
  return driver.events.filter((event): event is Extract<ClientEvent, { type: T }> => event.type === type);
}
