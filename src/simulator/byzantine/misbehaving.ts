/**
 * The wrapper that attacks are written with: the correct replica, of which some inputs are kept away, some messages are replaced for some receivers, and
 * beside which others are sent. Each difference counts as an act.
 */

import { encode } from '../../codec/index.ts';
import { type Message, messageSchema } from '../../protocol/messages/index.ts';
import type { Replica } from '../../protocol/replica/index.ts';
import {
  type Clock,
  type Destination,
  emptyOutput,
  type Input,
  type Output,
  type Send,
} from '../../protocol/replica/io.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { ReplicaProgram } from '../replica-program.ts';
import type { Traitor } from './attack.ts';

/** A message to one receiver, at once or when the traitor's clock has come to `atMs`. */
export interface Said {
  readonly to: Extract<Destination, { kind: 'replica' | 'client' }>;
  readonly message: Message;
  readonly atMs?: number;
}

export interface Misbehaviour {
  /** False: the correct replica inside never learns of this input. */
  readonly hear?: (input: Input, inside: Replica) => boolean;
  /** What is said instead of this; `[said]` for the same. What it says to itself stays true. */
  readonly say?: (said: Said, inside: Replica, now: Clock) => readonly Said[];
  /** What is said besides, after each step. */
  readonly add?: (inside: Replica, now: Clock, input: Input | undefined) => readonly Said[];
}

export function misbehaving(
  correct: ReplicaProgram,
  traitor: Traitor,
  { hear, say, add }: Misbehaviour,
): ReplicaProgram {
  const { index, context, coalition } = traitor;
  const { replicaCount } = context.cluster.thresholds;
  /** One send for each receiver, so that each may be told something else. */
  function spread({ to, message }: Send): readonly (Send | Said)[] {
    if (to.kind === 'client' || to.kind === 'replica') return [{ to, message }];
    const sends: Send[] = [];
    for (let peer = 0; peer < replicaCount; peer++) {
      if (peer !== index || to.kind === 'all') sends.push({ to: { kind: 'replica', index: peer }, message });
    }
    return sends;
  }

  return {
    start(recovered, leaves, clock) {
      const { running, output } = correct.start(recovered, leaves, clock);
      const inside = running.state!;
      let later: Said[] = [];
      let insideWakesAtMs = output.wakeAtMs;

      const isSpent = () => coalition.acts >= coalition.actsMax;

      function distort(now: Clock, sends: readonly Send[]): Send[] {
        if (say === undefined || isSpent()) return [...sends];
        return sends.flatMap(spread).flatMap((send) => {
          const said = send as Said;
          if (said.to.kind === 'replica' && said.to.index === index) return [send];
          return judge(now, said, say(said, inside, now));
        });
      }

      function judge(now: Clock, said: Said, instead: readonly Said[]): readonly Send[] {
        if (instead.length !== 1 || instead[0] !== said) {
          const [only] = instead;
          const isSame =
            instead.length === 1 && only!.atMs === undefined && isSameMessage(only!.message, said.message);
          if (!isSame) coalition.acts++;
        }
        return due(now, instead);
      }

      function due(now: Clock, sayings: readonly Said[]): readonly Send[] {
        for (const saying of sayings) if (isLate(saying, now)) later.push(saying);
        return sayings.filter((saying) => !isLate(saying, now));
      }

      function finish(now: Clock, out: Output, input: Input | undefined): Output {
        const ripe = later.filter((said) => !isLate(said, now));
        later = later.filter((said) => isLate(said, now));
        const added = isSpent() ? [] : (add?.(inside, now, input) ?? []);
        coalition.acts += added.length;
        insideWakesAtMs = out.wakeAtMs;
        return {
          ...out,
          promises: distort(now, out.promises),
          sends: [...ripe, ...distort(now, out.sends), ...due(now, added)],
          wakeAtMs: Math.min(out.wakeAtMs, ...later.map((said) => said.atMs!)),
        };
      }

      return {
        output: finish(clock, output, undefined),
        running: {
          state: undefined,
          step(input, now) {
            if (!isSpent() && hear?.(input, inside) === false) {
              coalition.acts++;
              return finish(now, { ...emptyOutput(), wakeAtMs: insideWakesAtMs }, input);
            }
            return finish(now, running.step(input, now), input);
          },
        },
      };
    },
  };
}

const isLate = ({ atMs }: Said, now: Clock): boolean => atMs !== undefined && atMs > now.monotonicMs;

const isSameMessage = (a: Message, b: Message): boolean =>
  a === b || (a.type === b.type && equalBytes(encode(messageSchema, a), encode(messageSchema, b)));
