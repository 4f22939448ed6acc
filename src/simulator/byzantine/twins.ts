/**
 * Twins (Bano et al., "Twins: BFT Systems Made Robust", 2021): several correct replicas under one key, each of which is shown to one side of the cluster.
 * Nothing they say is wrong by itself. With k ≤ f of them nobody notices more than a slow replica; with more, each side is a quorum with its copies, and
 * a fork.
 */

import { encode } from '../../codec/index.ts';
import { memoryLeafStore } from '../../crypto/leaf-store.ts';
import { type Message, messageSchema } from '../../protocol/messages/index.ts';
import {
  type Clock,
  emptyOutput,
  type Input,
  type Output,
  type Party,
  type Send,
} from '../../protocol/replica/io.ts';
import { keyOf } from '../../types/bytes.ts';
import type { SimulatedCluster } from '../cluster.ts';
import type { Endpoint } from '../observer.ts';
import type { ReplicaProgram, RunningReplica } from '../replica-program.ts';
import { type Attack, type Coalition, nameOf, type Traitor } from './attack.ts';

interface Copy {
  readonly side: number;
  readonly running: RunningReplica;
  /** By its own clock, which goes on when the machine of the first copy starts again. */
  wakeAtMs: number;
}

/** Of what copies say to other members, so that those know which copy it was; the oldest go first. */
const WHISPERS_MAX = 20_000;
const ALL_SIDES = -1;

export const twins: Attack = {
  description:
    'Each faulty replica is several correct ones with one key, and shows one of them to each side of the cluster.',
  replica: (correct, traitor) => makeTwins(correct, traitor),
  stage(cluster, coalition, forMs) {
    const { replicaCount, quorumSize } = cluster.context.cluster.thresholds;
    if (sidesOf(replicaCount, quorumSize, coalition.members.length) === undefined)
      shuffleSides(cluster, coalition, forMs);
    else fork(cluster, coalition, forMs);
  },
};

/** How many sides are a quorum each together with k copies; undefined if not even two can be. */
function sidesOf(replicaCount: number, quorumSize: number, k: number): number | undefined {
  const sides = Math.floor((replicaCount - k) / Math.max(1, quorumSize - k));
  return sides >= 2 ? sides : undefined;
}

function makeTwins(correct: ReplicaProgram, { index, context, coalition }: Traitor): ReplicaProgram {
  const { replicaCount, quorumSize } = context.cluster.thresholds;
  const count = sidesOf(replicaCount, quorumSize, coalition.members.length) ?? 2;
  const { whispers } = coalition;
  /** Those beside the first. Their disks are perfect, and their machines never stop. */
  let others: Copy[] = [];
  let beganAtMs = 0;
  let nowMs = 0;

  const audienceOf = (party: Party) => coalition.sides.get(nameOf(party));
  const isMember = (party: Party) => party.kind === 'replica' && coalition.members.includes(party.index);

  /** Which copies hear a message: that of the sender's side, or all. */
  function hears(side: number, from: Party, message: Message): boolean {
    if (isMember(from) && coalition.sides.size > 0) {
      return ((whispers.get(whisperOf(message)) ?? ALL_SIDES) & (1 << side)) !== 0;
    }
    const shown = audienceOf(from);
    return shown === undefined || shown === side;
  }

  /** What a copy sends, apart for each receiver on its side. */
  function say(side: number, sends: readonly Send[]): Send[] {
    return sends.flatMap(({ to, message }): Send[] => {
      const receivers: Party[] =
        to.kind === 'client' || to.kind === 'replica'
          ? [to]
          : Array.from(
              { length: replicaCount },
              (_, peer) => ({ kind: 'replica', index: peer }) as const,
            ).filter((peer) => peer.index !== index || to.kind === 'all');
      return receivers
        .filter((receiver) => {
          if (isMember(receiver)) return true;
          const shown = audienceOf(receiver);
          return shown === undefined || shown === side;
        })
        .map((receiver) => {
          if (isMember(receiver) && coalition.sides.size > 0) whisper(message, side);
          return { to: receiver, message };
        });
    });
  }

  function whisper(message: Message, side: number): void {
    const key = whisperOf(message);
    whispers.set(key, (whispers.get(key) ?? 0) | (1 << side));
    if (whispers.size > WHISPERS_MAX) whispers.delete(whispers.keys().next().value!);
  }

  const isToSelf = ({ to }: Send) => to.kind === 'replica' && to.index === index;

  /** Carries out the step contract for a copy whose writes are durable at once. */
  function drive(copy: Copy, first: Output | Input, clock: Clock): Send[] {
    const local = { ...clock, monotonicMs: clock.monotonicMs + beganAtMs };
    const inputs: Input[] = [];
    const sends: Send[] = [];
    const carryOut = (output: Output) => {
      for (const send of say(copy.side, [...output.sends, ...output.promises])) {
        if (isToSelf(send))
          inputs.push({ type: 'receive', from: { kind: 'replica', index }, message: send.message });
        else sends.push(send);
      }
      for (const { sequenceNumber } of output.snapshots)
        inputs.push({ type: 'snapshot-durable', sequenceNumber });
      copy.wakeAtMs = output.wakeAtMs;
    };
    if ('wakeAtMs' in first) carryOut(first);
    else inputs.push(first);
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift())
      carryOut(copy.running.step(next, local));
    coalition.acts += sends.length;
    return sends;
  }

  function finish(output: Output, further: readonly Send[]): Output {
    return {
      ...output,
      sends: [...say(0, output.sends), ...further],
      promises: say(0, output.promises),
      wakeAtMs: Math.min(output.wakeAtMs, ...others.map(({ wakeAtMs }) => wakeAtMs - beganAtMs)),
    };
  }

  /** Whether a copy other than the first is concerned by an input. */
  function concerns(copy: Copy, input: Input): boolean {
    switch (input.type) {
      case 'receive':
        if (input.from.kind === 'replica' && input.from.index === index) return false;
        return hears(copy.side, input.from, input.message);
      case 'connected':
        return (audienceOf({ kind: 'replica', index: input.peer }) ?? copy.side) === copy.side;
      case 'tick':
        return true;
      default:
        return false;
    }
  }

  return {
    start(recovered, leaves, clock) {
      const first = correct.start(recovered, leaves, clock);
      const further: Send[] = [];
      if (others.length === 0) {
        others = Array.from({ length: count - 1 }, (_, i) => {
          const { running, output } = correct.start(recovered, memoryLeafStore(), clock);
          const copy: Copy = { side: i + 1, running, wakeAtMs: output.wakeAtMs };
          further.push(...drive(copy, output, clock));
          return copy;
        });
      } else beganAtMs += nowMs;
      let wakeAtMs = first.output.wakeAtMs;
      return {
        output: finish(first.output, further),
        running: {
          state: undefined,
          step(input, now) {
            nowMs = now.monotonicMs;
            const sends = others.flatMap((copy) => (concerns(copy, input) ? drive(copy, input, now) : []));
            const isForFirst = input.type !== 'receive' || hears(0, input.from, input.message);
            const output = isForFirst ? first.running.step(input, now) : { ...emptyOutput(), wakeAtMs };
            wakeAtMs = output.wakeAtMs;
            return finish(output, sends);
          },
        },
      };
    },
  };
}

const whisperOf = (message: Message): string => keyOf(encode(messageSchema, message));

/** k ≤ f: at each of a few instants everyone else is put on one of two sides, sometimes with nothing passing between them. */
function shuffleSides(cluster: SimulatedCluster, coalition: Coalition, forMs: number): void {
  const { random } = coalition;
  const phases = random.between(1, 6);
  for (let phase = 0; phase < phases; phase++) {
    at(cluster, Math.floor((phase * forMs) / phases), () => {
      const sides = new Map(outsiders(cluster, coalition).map((endpoint) => [endpoint, random.below(2)]));
      show(cluster, coalition, sides, random.chance(1, 2));
    });
  }
  at(cluster, forMs - 1, () => show(cluster, coalition, new Map(), true));
}

/** k > f: two or more sides that can each go on alone; later some clients change sides; in the end all meet. */
function fork(cluster: SimulatedCluster, coalition: Coalition, forMs: number): void {
  const { random, members } = coalition;
  const { replicaCount, quorumSize } = cluster.context.cluster.thresholds;
  const count = sidesOf(replicaCount, quorumSize, members.length)!;
  const outside = outsiders(cluster, coalition);
  const sides = new Map<Endpoint, number>();
  // Replicas one by one, so that every side gets what it needs for a quorum; then clients.
  random
    .shuffle(outside.filter((endpoint) => endpoint < replicaCount))
    .forEach((replica, i) => void sides.set(replica, i % count));
  random
    .shuffle(outside.filter((endpoint) => endpoint >= replicaCount))
    .forEach((client, i) => void sides.set(client, i % count));
  at(cluster, random.below(Math.ceil(forMs / 4)), () => show(cluster, coalition, sides, true));
  at(cluster, Math.floor(forMs / 2), () => {
    for (const endpoint of outside) {
      if (endpoint >= replicaCount && random.chance(1, 2)) sides.set(endpoint, random.below(count));
    }
    show(cluster, coalition, sides, true);
  });
  at(cluster, random.between(Math.floor((3 * forMs) / 4), forMs - 1), () =>
    show(cluster, coalition, new Map(), true),
  );
}

function outsiders(cluster: SimulatedCluster, { members }: Coalition): readonly Endpoint[] {
  const count = cluster.replicas.length + cluster.clients.length;
  return Array.from({ length: count }, (_, endpoint) => endpoint).filter(
    (endpoint) => !members.includes(endpoint),
  );
}

/** From now on each side sees its own copies and, where the network is divided too, nothing of the other sides. */
function show(
  cluster: SimulatedCluster,
  coalition: Coalition,
  sides: ReadonlyMap<Endpoint, number>,
  divided: boolean,
): void {
  const count = cluster.replicas.length;
  const partyOf = (endpoint: Endpoint): Party =>
    endpoint < count
      ? { kind: 'replica', index: endpoint }
      : { kind: 'client', key: cluster.clientKeys[endpoint - count]! };
  coalition.sides = new Map([...sides].map(([endpoint, side]) => [nameOf(partyOf(endpoint)), side]));
  for (const [from, to] of coalition.cuts) cluster.mend(from, to);
  coalition.cuts = [];
  if (!divided) return;
  for (const side of new Set(sides.values())) {
    const [inside, outside] = [true, false].map((isIn) =>
      [...sides].filter(([, other]) => (other === side) === isIn).map(([endpoint]) => endpoint),
    ) as [Endpoint[], Endpoint[]];
    cluster.cut(inside, outside);
    coalition.cuts.push([inside, outside]);
  }
}

function at(cluster: SimulatedCluster, ms: number, action: () => void): void {
  cluster.kernel.schedule(ms * 1000, action);
}
