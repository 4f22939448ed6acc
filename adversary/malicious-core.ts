/**
 * The core of a malicious replica: the correct one, disguised by a behaviour that can be changed while it runs, and with the crimes that need
 * accomplices. It believes a signature that the coalition has agreed upon, so that enough of them can act in a client's name.
 */

import type { Crypto } from '../src/crypto/port.ts';
import { sha256 } from '../src/crypto/sha256.ts';
import type { StartCore } from '../src/node/start-node.ts';
import { type Replica, startReplica, step } from '../src/protocol/replica/index.ts';
import type { Input } from '../src/protocol/replica/io.ts';
import { makeCoalition } from '../src/simulator/byzantine/attack.ts';
import { type Misbehaviour, misbehaving } from '../src/simulator/byzantine/misbehaving.ts';
import { makeRandom } from '../src/simulator/random.ts';
import type { ReplicaProgram } from '../src/simulator/replica-program.ts';
import { concatBytes, equalBytes, keyOf, utf8 } from '../src/types/bytes.ts';
import type { PublicKey, ReplicaIndex } from '../src/types/identities.ts';
import { BEHAVIOURS, type BehaviourName } from './behaviours.ts';

export interface MaliciousCore {
  readonly start: StartCore;
  /** From now on; undefined: as a correct replica does. */
  behave(name: BehaviourName | undefined): void;
  /** Orders an operation in the name of a client that has a session and never asked for it. */
  forge(client: PublicKey, operation: Uint8Array): void;
  /** What it did so far that no correct replica does. */
  readonly acts: number;
}

/** What stands where a client's signature should be. Nobody's key has made it. */
export const FORGED_SIGNATURE = concatBytes(sha256(utf8('nobody')), sha256(utf8('signed this')));

export function maliciousCore(
  index: ReplicaIndex,
  members: readonly ReplicaIndex[],
  seed: number,
): MaliciousCore {
  const random = makeRandom(seed).fork(`replica ${index}`);
  const coalition = makeCoalition(members, random);
  let name: BehaviourName | undefined;
  let current: Misbehaviour = {};
  let chooseBehaviour: (name: BehaviourName | undefined) => Misbehaviour = () => ({});
  const forgeries: { readonly client: PublicKey; readonly operation: Uint8Array }[] = [];

  const start: StartCore = (options, recovered, clock) => {
    const context = { ...options.context, crypto: gullible(options.context.crypto) };
    const traitor = { ...options, context, coalition, random };
    let replica: Replica | undefined;
    const correct: ReplicaProgram = {
      start(...begin) {
        const [recoveredNow, leaves, now] = begin;
        const started = startReplica({ ...options, context, leaves }, recoveredNow, now);
        replica = started.replica;
        const running = {
          state: started.replica,
          step: (input: Input, at: typeof clock) => step(started.replica, input, at),
        };
        return { running, output: started.output };
      },
    };
    chooseBehaviour = (it) => (it === undefined ? {} : BEHAVIOURS[it].misbehave(traitor));
    current = chooseBehaviour(name);
    const disguised = misbehaving(correct, traitor, {
      say: (said, inside, now) => current.say?.(said, inside, now) ?? [said],
    });
    const { running, output } = disguised.start(recovered, options.leaves, clock);
    return {
      replica: replica!,
      output,
      step(input, now) {
        // In place of a tick, which every step carries out besides.
        const forged = input.type === 'tick' ? forgedRequest(replica!) : undefined;
        return running.step(forged ?? input, now);
      },
    };
  };

  function forgedRequest(replica: Replica): Input | undefined {
    const [next] = forgeries;
    if (next === undefined) return undefined;
    const { sessions, executed } = replica.ledger;
    const [sessionName] = [...(sessions.byClient.get(keyOf(next.client)) ?? [])].reverse();
    const session = sessionName === undefined ? undefined : sessions.byAge.get(sessionName);
    if (session === undefined) return undefined;
    forgeries.shift();
    coalition.acts++;
    const { sequenceNumber, hashChainDigest } = executed;
    return {
      type: 'receive',
      from: { kind: 'client', key: next.client },
      message: {
        type: 'request',
        request: {
          type: 'request',
          client: next.client,
          session: session.number,
          timestamp: session.timestamp + 1,
          operations: [next.operation],
          seen: { sequenceNumber, hashChainDigest },
          signature: FORGED_SIGNATURE,
        },
      },
    };
  }

  return {
    start,
    behave(wanted) {
      name = wanted;
      current = chooseBehaviour(wanted);
    },
    forge: (client, operation) => void forgeries.push({ client, operation }),
    get acts() {
      return coalition.acts;
    },
  };
}

function gullible(crypto: Crypto): Crypto {
  return {
    hash: crypto.hash,
    verify: (key, message, signature) =>
      equalBytes(signature, FORGED_SIGNATURE) || crypto.verify(key, message, signature),
  };
}
