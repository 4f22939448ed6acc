/** What a bug that is put in on purpose may bend, and the tools that bugs are made with. */

import type { Signer } from '../../crypto/port.ts';
import type { ClientSession } from '../../protocol/client/session.ts';
import type { Context } from '../../protocol/context.ts';
import type { DurableRecord } from '../../protocol/records.ts';
import type { Output } from '../../protocol/replica/io.ts';
import type { Replica } from '../../protocol/replica/state.ts';
import type { DriverSabotage } from '../replica-driver.ts';
import type { ReplicaProgram } from '../replica-program.ts';

/** All that is left out stays correct. */
export interface Bug {
  /** The rules as replicas know them. */
  readonly replicaContext?: (context: Context) => Context;
  /** The rules as clients know them; the checkers keep the true ones. */
  readonly clientContext?: (context: Context) => Context;
  readonly program?: (correct: ReplicaProgram, context: Context, signer: Signer) => ReplicaProgram;
  readonly sabotage?: DriverSabotage;
  /** Called before each step of a client's session. */
  readonly bendSession?: (session: ClientSession) => void;
}

type BentProgram = NonNullable<Bug['program']>;

/** Changes a replica's memory before each step; `process` makes what one process needs for that. */
export function bending(process: () => (replica: Replica) => void): BentProgram {
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

/** Changes what a replica gives its driver to do. */
export function uttering(distort: (output: Output) => Output): BentProgram {
  return (correct) => ({
    start(recovered, leaves, clock) {
      const { running, output } = correct.start(recovered, leaves, clock);
      const { state, step } = running;
      return { output: distort(output), running: { state, step: (input, now) => distort(step(input, now)) } };
    },
  });
}

/** A process finds none of these records when it starts. */
export function forgetting(type: DurableRecord['type']): BentProgram {
  return (correct) => ({
    start(recovered, leaves, clock) {
      const records = recovered.records.filter((record) => record.type !== type);
      return correct.start({ ...recovered, records }, leaves, clock);
    },
  });
}

/** Messages of one type are never sent. */
export function withholding(type: Output['sends'][number]['message']['type']): BentProgram {
  return uttering((output) => ({
    ...output,
    sends: output.sends.filter(({ message }) => message.type !== type),
    promises: output.promises.filter(({ message }) => message.type !== type),
  }));
}

/** Whoever is asked for the votes in it is told each twice. */
class CountedTwice<K, V> extends Map<K, V> {
  override *values(): MapIterator<V> {
    yield* super.values();
    yield* super.values();
  }
}

/** The same map, each of whose values counts twice. */
export function countedTwice<K, V>(map: Map<K, V>): Map<K, V> {
  return map instanceof CountedTwice ? map : new CountedTwice(map);
}
