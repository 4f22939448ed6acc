/**
 * The Byzantine replica of an exploration: what it may say at all, given what it has been told. Saying is all that it can do, and whatever it may say
 * lies in the network from the moment it may: to whom it says what, when, or not at all, is then a matter of delivery, and explored as such.
 */

import type { Signer } from '../../crypto/port.ts';
import type { Context } from '../../protocol/context.ts';
import { primaryOf } from '../../protocol/genesis.ts';
import { extendHashChain } from '../../protocol/hash-chain.ts';
import { type Batch, batchDigest } from '../../protocol/messages/batch.ts';
import type { Message } from '../../protocol/messages/index.ts';
import {
  commitStatement,
  type Header,
  headerStatement,
  prepareStatement,
} from '../../protocol/messages/ordering.ts';
import {
  type JustifiedViewChange,
  type NewView,
  newViewStatement,
  type Suspect,
  suspectStatement,
  viewChangeStatement,
} from '../../protocol/messages/view-change.ts';
import { joinProofs, planNewView } from '../../protocol/view-change-rules.ts';
import type { Digest, ReplicaIndex, SequenceNumber, View } from '../../types/identities.ts';

/** Its own key, and what it knows beyond it: nothing that another has not signed and sent to it. */
export interface Liar {
  readonly index: ReplicaIndex;
  readonly context: Context;
  readonly signer: Signer;
}

/** All that it may say to everyone, once it has been told `heard`. More heard never means less said. */
export type Menu = (liar: Liar, heard: readonly Message[]) => readonly Message[];

export const saysAll =
  (...menus: readonly Menu[]): Menu =>
  (liar, heard) =>
    menus.flatMap((menu) => menu(liar, heard));

export function makeHeader(liar: Liar, view: View, sequenceNumber: SequenceNumber, batch: Batch): Header {
  const { cluster, crypto } = liar.context;
  const fields = { view, sequenceNumber, batchDigest: batchDigest(cluster, crypto, batch) };
  return { ...fields, signature: liar.signer.sign(headerStatement(cluster, fields)) };
}

function makePrepare(
  { context, index, signer }: Liar,
  { view, sequenceNumber, batchDigest: digest }: Header,
): Message {
  const fields = { view, sequenceNumber, batchDigest: digest };
  const signature = signer.sign(prepareStatement(context.cluster, fields));
  return { type: 'prepare', ...fields, replica: index, signature };
}

function makeVote({ context, index, signer }: Liar, header: Header, previous: Digest): Message {
  const { view, sequenceNumber } = header;
  const hashChainDigest = extendHashChain(context.crypto, previous, header.batchDigest);
  const fields = { view, sequenceNumber, hashChainDigest };
  const signature = signer.sign(commitStatement(context.cluster, fields));
  return { type: 'commit', ...fields, replica: index, signature };
}

/** As the primary of `view`: a different batch at s = 1 for whom it likes, and a vote for each. */
export const proposesEach =
  (view: View, batches: readonly Batch[]): Menu =>
  (liar) =>
    batches.flatMap((batch): Message[] => {
      const header = makeHeader(liar, view, 1, batch);
      return [{ type: 'pre-prepare', header, batch }, makeVote(liar, header, liar.context.cluster.id)];
    });

/** As a backup: PREPARE and a vote for whatever a primary proposed at s = 1, as often as primaries propose. */
export const backsEveryProposal: Menu = (liar, heard) => {
  const headers = heard.flatMap((message) =>
    message.type === 'pre-prepare' ? [message.header] : message.type === 'new-view' ? message.headers : [],
  );
  return headers
    .filter(
      ({ view, sequenceNumber }) =>
        sequenceNumber === 1 && primaryOf(liar.context.cluster, view) !== liar.index,
    )
    .flatMap((header) => [makePrepare(liar, header), makeVote(liar, header, liar.context.cluster.id)]);
};

/** SUSPECT of `view`, out of the blue. */
export const suspects =
  (view: View): Menu =>
  ({ context, index, signer }) => [
    {
      type: 'suspect',
      view,
      replica: index,
      signature: signer.sign(suspectStatement(context.cluster, { view })),
    },
  ];

function suspectsOf(liar: Liar, heard: readonly Message[], view: View): readonly Suspect[] {
  const own = suspects(view)(liar, heard).concat(heard);
  return own.flatMap((message): Suspect[] => {
    if (message.type !== 'suspect' || message.view !== view) return [];
    const { type: _, ...suspect } = message;
    return [suspect];
  });
}

/** VIEW-CHANGE out of `left` with an empty P over genesis, as if it had seen nothing, as soon as a quorum wants to leave. */
export const deniesAll =
  (left: View): Menu =>
  (liar, heard) => {
    const viewChange = denial(liar, heard, left);
    return viewChange === undefined ? [] : [{ type: 'view-change', ...viewChange }];
  };

function denial(liar: Liar, heard: readonly Message[], left: View): JustifiedViewChange | undefined {
  const { cluster, crypto } = liar.context;
  const justifying = suspectsOf(liar, heard, left);
  if (justifying.length < cluster.thresholds.quorumSize) return undefined;
  const base = { kind: 'genesis', view: 0, sequenceNumber: 0, hashChainDigest: cluster.id } as const;
  const fields = { view: left + 1, base, prepared: [], replica: liar.index };
  const signature = liar.signer.sign(viewChangeStatement(cluster, crypto, fields));
  const proofs = { commits: [], checkpoints: [], prepared: [] };
  return { viewChange: { ...fields, signature }, proofs, suspects: justifying };
}

/**
 * As the primary of `view`: every NEW-VIEW that a quorum of the VIEW-CHANGEs it has makes valid, its own denial among them, so that each
 * backup may enter another one; and a batch of its own at s = 1 where O leaves that free, with votes for everything.
 */
export const opensEachWay =
  (view: View, batches: readonly Batch[]): Menu =>
  (liar, heard) => {
    const { cluster, crypto } = liar.context;
    const own = denial(liar, heard, view - 1);
    const told = heard.flatMap((message): JustifiedViewChange[] => {
      if (message.type !== 'view-change' || message.viewChange.view !== view) return [];
      const { type: _, ...justified } = message;
      return [justified];
    });
    const candidates = [...(own === undefined ? [] : [own]), ...told].sort(
      (a, b) => a.viewChange.replica - b.viewChange.replica,
    );
    return subsets(candidates, cluster.thresholds.quorumSize).flatMap((chosen): Message[] => {
      const viewChanges = chosen.map((each) => each.viewChange);
      const plan = planNewView(liar.context, viewChanges);
      if (plan === undefined) return [];
      const headers = plan.digests.map((digest, i): Header => {
        const fields = { view, sequenceNumber: plan.base.sequenceNumber + 1 + i, batchDigest: digest };
        return { ...fields, signature: liar.signer.sign(headerStatement(cluster, fields)) };
      });
      const unsigned = { view, viewChanges, headers, proofs: joinProofs(chosen) };
      const newView: NewView = {
        ...unsigned,
        signature: liar.signer.sign(newViewStatement(cluster, crypto, unsigned)),
      };
      const votes = headers
        .filter((header) => header.sequenceNumber === 1)
        .map((header) => makeVote(liar, header, cluster.id));
      const own = headers.length === 0 ? proposesEach(view, batches)(liar, heard) : [];
      return [{ type: 'new-view', ...newView }, ...votes, ...own];
    });
  };

/** All choices of so many of them with different signers, in order. */
function subsets(
  candidates: readonly JustifiedViewChange[],
  size: number,
): (readonly JustifiedViewChange[])[] {
  if (size === 0) return [[]];
  return candidates.flatMap((first, i) => {
    const others = candidates
      .slice(i + 1)
      .filter((each) => each.viewChange.replica !== first.viewChange.replica);
    return subsets(others, size - 1).map((rest) => [first, ...rest]);
  });
}

/** As a backup of `view`: PREPARE and a vote for a batch at s = 1, whether anyone proposed it or not. */
export const backs =
  (view: View, batch: Batch): Menu =>
  (liar) => {
    const { cluster, crypto } = liar.context;
    const header = {
      view,
      sequenceNumber: 1,
      batchDigest: batchDigest(cluster, crypto, batch),
      signature: new Uint8Array(64),
    };
    return [makePrepare(liar, header), makeVote(liar, header, cluster.id)];
  };
