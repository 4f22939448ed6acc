/** The receivers of one message share it: nobody may change what it received, nor what it has sent. */

import { expect, it } from 'vitest';
import { encode } from '../../src/codec/index.ts';
import { type Message, messageSchema } from '../../src/protocol/messages/index.ts';
import type { ReplicaProgram } from '../../src/simulator/replica-program.ts';
import { runSimulation } from '../../src/simulator/run.ts';
import { equalBytes } from '../../src/types/bytes.ts';

it('messages stay what they were on arrival and on leaving', () => {
  const seen: { readonly message: Message; readonly bytes: Uint8Array }[] = [];
  const see = (message: Message) => seen.push({ message, bytes: encode(messageSchema, message) });
  const watched = (correct: ReplicaProgram): ReplicaProgram => ({
    start(recovered, leaves, clock) {
      const { running, output } = correct.start(recovered, leaves, clock);
      const step: typeof running.step = (input, now) => {
        if (input.type === 'receive') see(input.message);
        return running.step(input, now);
      };
      return { output, running: { state: running.state, step } };
    },
  });
  for (let seed = 0; seed < 4; seed++) {
    runSimulation({
      seed,
      program: (_, correct) => watched(correct),
      observers: [{ onSend: (_from, _to, message) => see(message) }],
    });
  }
  const changed = seen.filter(({ message, bytes }) => !equalBytes(encode(messageSchema, message), bytes));
  expect(seen.length).toBeGreaterThan(10_000);
  expect(changed.map(({ message }) => message.type)).toEqual([]);
});
