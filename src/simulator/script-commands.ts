/**
 * The commands of scenario files (script.ts).
 *
 *   cluster replicas=4 clients=1 [limit=number …]   begins; limits of the genesis configuration, of replicas or of clients by name; seed and
 *                                                   snapshotMs, how long writing a snapshot may take, too
 *   faulty 3                                        what it says of itself no longer counts for the checkers
 *   request c0 put x 1 | get x | delete x | increment x   and `read c0 get x`; `clients` for all of them
 *   drop SELECTOR · hold SELECTOR · pass SELECTOR   rules for packets from now on, newest first; `rules clear` removes them
 *   alter SELECTOR as MUTATOR                       the sender lies (byzantine/mutators.ts)
 *   deliver SELECTOR · discard SELECTOR             of what is held
 *   cut 0 | 1 2 c0 · cut 0 > 1 · heal               both ways, one way
 *   crash 1 … · restart 1 … · pause 1 · resume 1 · lose-disk 1 · damage 1 promise|other|RECORD · restart-client c0
 *   repeat 12 COMMAND ; COMMAND                     so many times
 *   tick 100                                        virtual milliseconds
 *   run until CONDITION [within MS]                 `c0 done`, `0,2 executed 3`, `* stable 4`, `1 view 2`, `1 committed 2`; 60,000 ms if not said
 *   status                                          a line for each replica
 *   show events TYPE … · show messages [SELECTOR]   what the output tells from now on; `show default`
 *
 * A SELECTOR is FROM->TO [TYPE] [vN] [sN], with lists `0,2` and `*`.
 */

import { mixingHash } from '../crypto/mixing-hash.ts';
import { DEFAULT_CLIENT_LIMITS } from '../protocol/client/index.ts';
import { DEFAULT_GENESIS_LIMITS } from '../protocol/genesis.ts';
import type { MessageType } from '../protocol/messages/index.ts';
import type { ReplicaEvent } from '../protocol/replica/io.ts';
import { DEFAULT_LOCAL_LIMITS } from '../protocol/replica/limits.ts';
import { decodeKvResult, encodeKvOperation, type KvOperation, kv, kvService } from '../services/kv/index.ts';
import type { BugName } from './bugs.ts';
import { mutatorOf } from './byzantine/mutators.ts';
import { makeSimulatedCluster, type SimulatedCluster } from './cluster.ts';
import { describeEvent, describeMessage, nameOf } from './describe.ts';
import type { Damage } from './disk.ts';
import { CALM } from './network.ts';
import type { Endpoint, Observer, Outcome } from './observer.ts';
import { makePacketRules, matches, type PacketRules, type Selector } from './packet-rules.ts';
import { makeRandom } from './random.ts';

/** Every link takes a millisecond: scenarios are about who hears what, not about luck. */
const DELAY_US = 1_000;
const RUN_MAX_MS = 60_000;

const DEFAULT_EVENTS: readonly ReplicaEvent['type'][] = [
  'committed',
  'executed',
  'suspected',
  'viewLeft',
  'viewEntered',
  'stable',
  'transferStarted',
  'transferred',
  'evidence',
  'badAnswer',
  'orderingStopped',
  'becameLearner',
  'diverged',
];

export interface ScriptWorld {
  readonly bug: BugName | undefined;
  cluster: SimulatedCluster | undefined;
  rules: PacketRules | undefined;
  readonly faulty: Set<number>;
  events: Set<string>;
  messages: Selector | undefined;
  /** Says `text` of one endpoint, or of nobody. */
  say(who: Endpoint | undefined, text: string): void;
  takeOutput(): string;
}

export function makeScriptWorld(bug?: BugName): ScriptWorld {
  /** Lines by text, with those who said it. */
  let said = new Map<string, Set<Endpoint> | undefined>();
  let reported = 0;
  const world: ScriptWorld = {
    bug,
    cluster: undefined,
    rules: undefined,
    faulty: new Set(),
    events: new Set(DEFAULT_EVENTS),
    messages: undefined,
    say(who, text) {
      if (who === undefined) said.set(text, undefined);
      else {
        const speakers = said.get(text) ?? new Set();
        speakers.add(who);
        said.set(text, speakers);
      }
    },
    takeOutput() {
      const count = world.cluster?.replicas.length ?? 0;
      const violations = world.cluster?.violations ?? [];
      for (const { property, text } of violations.slice(reported))
        world.say(undefined, `VIOLATION of ${property}: ${text}`);
      reported = violations.length;
      const lines = [...said].map(([text, speakers]) =>
        speakers === undefined
          ? text
          : `${[...speakers]
              .sort((a, b) => a - b)
              .map((endpoint) => nameOf(endpoint, count))
              .join(' ')}: ${text}`,
      );
      said = new Map();
      return lines.join('\n');
    },
  };
  return world;
}

type Command = (world: ScriptWorld, words: readonly string[]) => void;

const COMMANDS: Record<string, Command> = {
  cluster: (world, words) => begin(world, words),
  faulty(world, words) {
    for (const word of words) world.faulty.add(Number(word));
  },
  request: (world, words) => submit(world, words, false),
  read: (world, words) => submit(world, words, true),
  drop: (world, words) => rulesOf(world).add({ action: 'drop', selector: selectorOf(world, words) }),
  hold: (world, words) => rulesOf(world).add({ action: 'hold', selector: selectorOf(world, words) }),
  pass: (world, words) => rulesOf(world).add({ action: 'pass', selector: selectorOf(world, words) }),
  alter(world, words) {
    const as = words.indexOf('as');
    if (as < 0) throw new Error('expected SELECTOR as MUTATOR');
    const mutator = mutatorOf(words.slice(as + 1).join(' '), clusterOf(world));
    rulesOf(world).add({ action: 'alter', selector: selectorOf(world, words.slice(0, as)), mutator });
  },
  rules(world, words) {
    if (words[0] !== 'clear') throw new Error('expected "rules clear"');
    rulesOf(world).clear();
  },
  deliver(world, words) {
    world.say(undefined, `delivered ${rulesOf(world).deliver(selectorOf(world, words))}`);
  },
  discard(world, words) {
    world.say(undefined, `discarded ${rulesOf(world).discard(selectorOf(world, words))}`);
  },
  cut(world, words) {
    const at = words.findIndex((word) => word === '|' || word === '>');
    if (at < 0) throw new Error('expected two groups with | or > between them');
    const first = words.slice(0, at).flatMap((word) => endpointsOf(world, word));
    const second = words.slice(at + 1).flatMap((word) => endpointsOf(world, word));
    clusterOf(world).cut(first, second);
    if (words[at] === '|') clusterOf(world).cut(second, first);
  },
  heal: (world) => clusterOf(world).heal(),
  crash: (world, words) => eachReplica(world, words, (cluster, index) => cluster.crash(index)),
  restart: (world, words) => eachReplica(world, words, (cluster, index) => cluster.restart(index)),
  pause: (world, words) => eachReplica(world, words, (cluster, index) => cluster.pause(index)),
  resume: (world, words) => eachReplica(world, words, (cluster, index) => cluster.resume(index)),
  'lose-disk': (world, words) => eachReplica(world, words, (cluster, index) => cluster.loseDisk(index)),
  damage(world, [replica, kind]) {
    if (kind === undefined) throw new Error('expected "promise", "other" or a type of records');
    eachReplica(world, [replica ?? ''], (cluster, index) => cluster.damage(index, kind as Damage));
  },
  'restart-client'(world, [client]) {
    clusterOf(world).restartClient(clientOf(world, client));
  },
  tick(world, [ms]) {
    const { kernel } = clusterOf(world);
    kernel.runUntil(kernel.nowUs + numberOf(ms) * 1000);
  },
  run: (world, words) => run(world, words),
  repeat(world, [count, ...words]) {
    const commands = words.join(' ').split(';');
    for (let i = numberOf(count); i > 0; i--)
      for (const command of commands) runCommand(world, command.trim());
  },
  status(world) {
    clusterOf(world).replicas.forEach(({ state, running }, index) => {
      const replica = running?.state;
      const standing =
        replica === undefined
          ? ''
          : ` v${replica.view} ${replica.phase} committed ${replica.committed} executed ${replica.ledger.executed.sequenceNumber} stable ${replica.stable}`;
      world.say(index, `${state}${standing}`);
    });
  },
  show(world, [what, ...words]) {
    if (what === 'events') world.events = new Set(words);
    else if (what === 'messages') world.messages = selectorOf(world, words.length === 0 ? ['*->*'] : words);
    else if (what === 'default') {
      world.events = new Set(DEFAULT_EVENTS);
      world.messages = undefined;
    } else throw new Error('expected events, messages or default');
  },
};

/** @throws Error saying what was expected. */
export function runCommand(world: ScriptWorld, line: string): void {
  const [name, ...words] = line.split(/\s+/) as [string, ...string[]];
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    throw new Error(`no such command; there are ${Object.keys(COMMANDS).join(', ')}`);
  }
  command(world, words);
}

function begin(world: ScriptWorld, words: readonly string[]): void {
  const settings = new Map(
    words.map((word): [string, number] => {
      const [name, value] = word.split('=');
      return [name!, numberOf(value)];
    }),
  );
  const take = (name: string, otherwise: number) => {
    const value = settings.get(name) ?? otherwise;
    settings.delete(name);
    return value;
  };
  const pickLimits = <T extends object>(defaults: T): Partial<T> =>
    Object.fromEntries(
      Object.keys(defaults)
        .filter((name) => settings.has(name))
        .map((name) => [name, take(name, 0)]),
    ) as Partial<T>;
  const replicas = take('replicas', 4);
  const observer: Observer = {
    onEvent(replica, event) {
      if (world.events.has(event.type)) world.say(replica, describeEvent(event, false));
    },
    onDeliver(from, to, message) {
      if (world.messages !== undefined && matches(world.messages, { from, to, message })) {
        world.say(
          undefined,
          `${nameOf(from, replicas)} -> ${nameOf(to, replicas)} ${describeMessage(message)}`,
        );
      }
    },
  };
  const cluster = makeSimulatedCluster({
    random: makeRandom(take('seed', 1)),
    replicas,
    clients: take('clients', 1),
    service: kvService(mixingHash),
    genesisLimits: pickLimits(DEFAULT_GENESIS_LIMITS),
    localLimits: pickLimits(DEFAULT_LOCAL_LIMITS),
    clientLimits: pickLimits(DEFAULT_CLIENT_LIMITS),
    conditions: { ...CALM, delayMinUs: DELAY_US, delayMaxUs: DELAY_US, jitterUs: 0 },
    diskTimes: { syncMinUs: 100, syncMaxUs: 100, snapshotMaxUs: take('snapshotMs', 1) * 1_000 },
    program: (index, correct) => (world.faulty.has(index) ? { start: correct.start } : correct),
    observers: [observer],
    bug: world.bug,
  });
  if (settings.size > 0) throw new Error(`no such limit: ${[...settings.keys()].join(', ')}`);
  world.cluster = cluster;
  world.rules = makePacketRules(cluster.kernel, cluster.network, DELAY_US);
}

function submit(world: ScriptWorld, [name, ...words]: readonly string[], read: boolean): void {
  const cluster = clusterOf(world);
  const operation = encodeKvOperation(operationOf(words));
  for (const endpoint of endpointsOf(world, name ?? '')) {
    const client = cluster.clients[endpoint - cluster.replicas.length];
    if (client === undefined) throw new Error(`expected a client, such as c0, not "${name}"`);
    client.submit(operation, read, (outcome) => {
      world.say(endpoint, `${words.join(' ')} → ${describeOutcome(outcome)}`);
    });
  }
}

function operationOf([verb, key, value]: readonly string[]): KvOperation {
  if (key === undefined) throw new Error('expected an operation and a key');
  switch (verb) {
    case 'get':
      return kv.get(key);
    case 'put':
      return kv.put(key, value ?? '');
    case 'delete':
      return kv.delete(key);
    case 'increment':
      return kv.increment(key, 1);
    default:
      throw new Error('expected put, get, delete or increment');
  }
}

function describeOutcome(outcome: Outcome): string {
  if (outcome.type === 'rejected') return `rejected ${outcome.status}`;
  if (outcome.type === 'unknown') return `unknown ${outcome.reason}`;
  const decoded = decodeKvResult(outcome.result);
  if (!decoded.ok) return 'a result that does not decode';
  const result = decoded.value;
  const value =
    result.type === 'value'
      ? ` ${new TextDecoder().decode(result.value)}`
      : result.type === 'integer'
        ? ` ${result.value}`
        : '';
  return `${outcome.type} ${result.type}${value} at s${outcome.sequenceNumber}`;
}

function run(world: ScriptWorld, [until, subject, what, ...rest]: readonly string[]): void {
  const cluster = clusterOf(world);
  if (until !== 'until' || subject === undefined) throw new Error('expected "run until CONDITION"');
  const within = rest.indexOf('within');
  const limitMs = within < 0 ? RUN_MAX_MS : numberOf(rest[within + 1]);
  const value = rest[0] === undefined || rest[0] === 'within' ? Number.NaN : numberOf(rest[0]);
  const subjects = endpointsOf(world, subject);
  const reached = (endpoint: Endpoint): boolean => {
    if (what === 'done') return cluster.clients[endpoint - cluster.replicas.length]?.outstanding === 0;
    const replica = cluster.replicas[endpoint]?.running?.state;
    if (replica === undefined) return false;
    switch (what) {
      case 'executed':
        return replica.ledger.executed.sequenceNumber >= value;
      case 'committed':
        return replica.committed >= value;
      case 'stable':
        return replica.stable >= value;
      case 'view':
        return replica.view >= value && replica.phase === 'normal';
      default:
        throw new Error('expected done, executed, committed, stable or view');
    }
  };
  const met = cluster.kernel.runUntil(cluster.kernel.nowUs + limitMs * 1000, () => subjects.every(reached));
  if (!met) world.say(undefined, `not within ${limitMs} ms`);
}

function eachReplica(
  world: ScriptWorld,
  words: readonly string[],
  action: (cluster: SimulatedCluster, index: number) => void,
): void {
  for (const index of words.flatMap((word) => endpointsOf(world, word))) action(clusterOf(world), index);
}

function selectorOf(world: ScriptWorld, [path, ...words]: readonly string[]): Selector {
  const [from, to] = (path ?? '').split('->');
  if (from === undefined || to === undefined) throw new Error('expected FROM->TO');
  const numbered = (letter: string) => {
    const word = words.find((candidate) => new RegExp(`^${letter}\\d+$`).test(candidate));
    return word === undefined ? undefined : Number(word.slice(1));
  };
  const type = words.find((word) => !/^[vs]\d+$/.test(word));
  return {
    from: from === '*' ? undefined : endpointsOf(world, from),
    to: to === '*' ? undefined : endpointsOf(world, to),
    type: type as MessageType | undefined,
    view: numbered('v'),
    sequenceNumber: numbered('s'),
  };
}

/** `2`, `c0`, `0,2,c1`, `*` for every replica, or `clients`. */
function endpointsOf(world: ScriptWorld, text: string): readonly Endpoint[] {
  const cluster = clusterOf(world);
  if (text === '*') return cluster.replicas.map((_, index) => index);
  if (text === 'clients') return cluster.clients.map((_, client) => cluster.replicas.length + client);
  return text.split(',').map((name) => {
    const endpoint = name.startsWith('c')
      ? cluster.replicas.length + numberOf(name.slice(1))
      : numberOf(name);
    if (endpoint >= cluster.replicas.length + cluster.clients.length)
      throw new Error(`no such party: ${name}`);
    return endpoint;
  });
}

function clientOf(world: ScriptWorld, name: string | undefined): number {
  const [endpoint] = endpointsOf(world, name ?? '');
  const client = endpoint! - clusterOf(world).replicas.length;
  if (client < 0) throw new Error(`expected a client, such as c0, not "${name}"`);
  return client;
}

function clusterOf(world: ScriptWorld): SimulatedCluster {
  if (world.cluster === undefined)
    throw new Error('there is no cluster yet; begin with "cluster replicas=4"');
  return world.cluster;
}

function rulesOf(world: ScriptWorld): PacketRules {
  clusterOf(world);
  return world.rules!;
}

function numberOf(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw new Error(`expected a number, got "${text}"`);
  return Number(text);
}
