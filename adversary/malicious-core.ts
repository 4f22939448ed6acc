/**
 * The core of a malicious replica: the correct one in the disguise of a behaviour, and what needs accomplices: it believes a signature that the
 * coalition has agreed upon, so that enough of them can act in a client's name.
 */

import type { Crypto } from '../src/crypto/port.ts';
import { sha256 } from '../src/crypto/sha256.ts';
import type { StartCore } from '../src/node/start-node.ts';
import type { Replica } from '../src/protocol/replica/index.ts';
import type { Input } from '../src/protocol/replica/io.ts';
import { makeCoalition } from '../src/simulator/byzantine/attack.ts';
import { makeRandom } from '../src/simulator/random.ts';
import { correctReplica, type ReplicaProgram } from '../src/simulator/replica-program.ts';
import { concatBytes, equalBytes, keyOf, utf8 } from '../src/types/bytes.ts';
import type { PublicKey, ReplicaIndex } from '../src/types/identities.ts';
import { BEHAVIOURS, type BehaviourName } from './behaviours.ts';

export interface MaliciousChoices {
  readonly index: ReplicaIndex;
  /** All malicious replicas, this one among them. */
  readonly members: readonly ReplicaIndex[];
  readonly seed: number;
  /** Undefined: as a correct replica does, until it is told to forge. */
  readonly behaviour: BehaviourName | undefined;
}

export interface MaliciousCore {
  readonly start: StartCore;
  /** Orders an operation in the name of a client that has a session and never asked for it. */
  forge(client: PublicKey, operation: Uint8Array): void;
  /** How often it did so far what no correct replica does. */
  readonly acts: number;
}

/** What stands where a client's signature should be. Nobody's key has made it. */
const FORGED_SIGNATURE = concatBytes(sha256(utf8('nobody')), sha256(utf8('signed this')));

export function maliciousCore({ index, members, seed, behaviour }: MaliciousChoices): MaliciousCore {
  const random = makeRandom(seed).fork(`replica ${index}`);
  const coalition = makeCoalition(members, random);
  const forgeries: { readonly client: PublicKey; readonly operation: Uint8Array }[] = [];

  const start: StartCore = (options, recovered, clock) => {
    const context = { ...options.context, crypto: gullible(options.context.crypto) };
    const inside = watched(correctReplica({ ...options, context }));
    const traitor = { ...options, context, coalition, random };
    const program =
      behaviour === undefined ? inside.program : BEHAVIOURS[behaviour].disguise(inside.program, traitor);
    const { running, output } = program.start(recovered, options.leaves, clock);
    const replica = inside.replica();
    return {
      replica,
      output,
      // In place of a tick: every other input makes the clocks go on as well.
      step: (input, now) => running.step((input.type === 'tick' && nextForgery(replica)) || input, now),
    };
  };

  function nextForgery(replica: Replica): Input | undefined {
    const [next] = forgeries;
    if (next === undefined) return undefined;
    const { sessions, executed } = replica.ledger;
    const newest = [...(sessions.byClient.get(keyOf(next.client)) ?? [])].at(-1);
    const session = newest === undefined ? undefined : sessions.byAge.get(newest);
    if (session === undefined) return undefined;
    forgeries.shift();
    coalition.acts++;
    const { sequenceNumber, hashChainDigest } = executed;
    const request = {
      type: 'request',
      client: next.client,
      session: session.number,
      timestamp: session.timestamp + 1,
      operations: [next.operation],
      seen: { sequenceNumber, hashChainDigest },
      signature: FORGED_SIGNATURE,
    } as const;
    return {
      type: 'receive',
      from: { kind: 'client', key: next.client },
      message: { type: 'request', request },
    };
  }

  return {
    start,
    forge: (client, operation) => void forgeries.push({ client, operation }),
    get acts() {
      return coalition.acts;
    },
  };
}

/** The program, and the state of the replica in it, which a disguise hides. */
function watched(correct: ReplicaProgram): { program: ReplicaProgram; replica: () => Replica } {
  let replica: Replica | undefined;
  return {
    program: {
      start(recovered, leaves, clock) {
        const started = correct.start(recovered, leaves, clock);
        replica = started.running.state;
        return started;
      },
    },
    replica: () => replica!,
  };
}

function gullible(crypto: Crypto): Crypto {
  return {
    hash: crypto.hash,
    verify: (key, message, signature) =>
      equalBytes(signature, FORGED_SIGNATURE) || crypto.verify(key, message, signature),
  };
}
