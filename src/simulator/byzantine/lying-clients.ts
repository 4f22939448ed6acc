/** Lies of clients, each a few lines between a correct client and the network. The faulty replicas of such a run tell random lies. */

import type { Message } from '../../protocol/messages/index.ts';
import type { ClientRequest, Request } from '../../protocol/messages/request.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import type { ClientOwner } from '../cluster.ts';
import type { Attack } from './attack.ts';
import { randomLies } from './random-lies.ts';
import { signedRequest } from './signing.ts';

interface Telling {
  readonly to: readonly ReplicaIndex[];
  readonly message: Message;
}

/** `lie` says what leaves instead of a request; undefined: the request. Everything else leaves as it is. */
function lyingClient(
  description: string,
  makeLie: (
    owner: ClientOwner,
  ) => (request: ClientRequest, to: readonly ReplicaIndex[]) => readonly Telling[] | undefined,
): Attack {
  return {
    description,
    replica: randomLies.replica,
    client(owner, coalition) {
      const lie = makeLie(owner);
      return (to, message) => {
        const tellings = message.type === 'request' ? lie(message.request, to) : undefined;
        if (tellings === undefined) return owner.send(to, message);
        coalition.acts++;
        for (const telling of tellings) owner.send(telling.to, telling.message);
      };
    },
  };
}

const asked = (request: ClientRequest): Message => ({ type: 'request', request });

/** Some of the receivers, and the others. */
function parted(owner: ClientOwner, to: readonly ReplicaIndex[]) {
  const some = to.filter(() => owner.random.chance(1, 2));
  return [some, to.filter((replica) => !some.includes(replica))] as const;
}

const otherOperations = (request: Request, owner: ClientOwner): Request =>
  signedRequest(
    { ...request, operations: [...request.operations].reverse().concat(request.operations.slice(0, 1)) },
    owner,
  );

export const twoContents = lyingClient(
  'A client signs two contents under one timestamp and tells some replicas the one, some the other.',
  (owner) => (request, to) => {
    if (request.type === 'open') return undefined;
    const [some, others] = parted(owner, to);
    return [
      { to: some, message: asked(request) },
      { to: others, message: asked(otherOperations(request, owner)) },
    ];
  },
);

export const partialRequests = lyingClient(
  'A client sends its requests to some replicas only, often to one.',
  (owner) => (request, to) => [
    {
      to: owner.random.chance(1, 2) ? [owner.random.pick(to)] : parted(owner, to)[0],
      message: asked(request),
    },
  ],
);

export const foreignSeen = lyingClient(
  'A client claims to have seen what is in no history, or what is yet to come.',
  (owner) => (request, to) => {
    if (owner.random.chance(1, 2)) return undefined;
    const seen = {
      sequenceNumber: request.seen.sequenceNumber + owner.random.pick([0, 0, 1, 1_000_000]),
      hashChainDigest: owner.random.bytes(32),
    };
    return [{ to, message: asked(signedRequest({ ...request, seen }, owner)) }];
  },
);

export const badSignatures = lyingClient(
  'A client signs its requests for some replicas and not for others.',
  (owner) => (request, to) => {
    const [some, others] = parted(owner, to);
    return [
      { to: some, message: asked(request) },
      { to: others, message: asked({ ...request, signature: owner.random.bytes(64) }) },
    ];
  },
);

/** Messages beside each request. */
const FLOOD = 30;

export const clientFlood = lyingClient(
  'A client sends thirty requests, OPENs, reads and FETCHes beside each request.',
  (owner) => (request, to) => {
    const { random, signer } = owner;
    const flood = Array.from({ length: FLOOD }, (_, i): Telling => {
      const open = {
        type: 'open',
        client: signer.publicKey,
        nonce: random.bytes(16),
        seen: request.seen,
        signature: request.signature,
      } as const;
      switch (random.below(4)) {
        case 0:
          return { to, message: asked(signedRequest(open, owner)) };
        case 1: {
          const session = { sequenceNumber: random.below(50), index: random.below(4) };
          const fields = {
            type: 'request',
            client: signer.publicKey,
            session,
            timestamp: i + 1,
            operations: [random.bytes(8)],
          } as const;
          return {
            to,
            message: asked(
              signedRequest({ ...fields, seen: request.seen, signature: request.signature }, owner),
            ),
          };
        }
        case 2:
          return {
            to,
            message: {
              type: 'read',
              nonce: random.bytes(32),
              operation: random.bytes(20),
              seen: request.seen,
              at: undefined,
              designated: 0,
            },
          };
        default:
          return { to, message: { type: 'fetch', number: i, want: { type: 'head' } } };
      }
    });
    return [{ to, message: asked(request) }, ...flood];
  },
);

const REMEMBERED_MAX = 64;

export const sessionReplay = lyingClient(
  'A client opens session after session and repeats requests of those that were evicted.',
  (owner) => {
    const remembered: ClientRequest[] = [];
    return (request, to) => {
      const { random, signer } = owner;
      remembered.push(request);
      remembered.splice(0, remembered.length - REMEMBERED_MAX);
      const open = {
        type: 'open',
        client: signer.publicKey,
        nonce: random.bytes(16),
        seen: request.seen,
        signature: request.signature,
      } as const;
      return [
        { to, message: asked(request) },
        { to, message: asked(random.pick(remembered)) },
        ...(random.chance(1, 2) ? [{ to, message: asked(signedRequest(open, owner)) }] : []),
      ];
    };
  },
);
