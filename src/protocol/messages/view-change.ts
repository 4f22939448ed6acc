/** SUSPECT, VIEW-CHANGE and NEW-VIEW (PBFT §4.4, with this project's suspicion rule; docs/protocol.md §5). */

import { choice, fixed, list, struct, type TypeOf, u8, u53 } from '../../codec/index.ts';
import type { Crypto } from '../../crypto/port.ts';
import { concatBytes } from '../../types/bytes.ts';
import type { Digest } from '../../types/identities.ts';
import type { Cluster } from '../genesis.ts';
import { REPLICAS_MAX } from '../quorum.ts';
import { statement } from '../statement.ts';
import { CAPS } from './caps.ts';
import {
  checkpointCertificateSchema,
  commitCertificateSchema,
  preparedCertificateSchema,
} from './certificates.ts';
import { headerSchema } from './ordering.ts';

/** ⟨SUSPECT, v⟩: its signer asks to abandon every view ≤ v. */
export const suspectSchema = struct({ view: u53, replica: u8, signature: fixed(64) });
export type Suspect = TypeOf<typeof suspectSchema>;

/** C: the highest commit or stable-checkpoint certificate of the signer. */
export const viewChangeBaseSchema = struct({
  kind: choice(['genesis', 'commit', 'stable']),
  /** The view of a commit certificate; 0 otherwise. */
  view: u53,
  sequenceNumber: u53,
  hashChainDigest: fixed(32),
});
export type ViewChangeBase = TypeOf<typeof viewChangeBaseSchema>;

/** An element of P: a batch that was prepared at the signer. */
export const preparedClaimSchema = struct({ view: u53, sequenceNumber: u53, batchDigest: fixed(32) });
export type PreparedClaim = TypeOf<typeof preparedClaimSchema>;

/** ⟨VIEW-CHANGE, v′, C, P⟩: everything that is signed. */
export const viewChangeSchema = struct({
  view: u53,
  base: viewChangeBaseSchema,
  /** By ascending s, at most one per s, all in (C.s, C.s+2W]. */
  prepared: list(preparedClaimSchema, CAPS.window),
  replica: u8,
  signature: fixed(64),
});
export type ViewChange = TypeOf<typeof viewChangeSchema>;

/** What stands behind the claims of VIEW-CHANGEs; each distinct certificate once. */
export const proofsSchema = struct({
  commits: list(commitCertificateSchema, REPLICAS_MAX),
  checkpoints: list(checkpointCertificateSchema, REPLICAS_MAX),
  prepared: list(preparedCertificateSchema, REPLICAS_MAX * CAPS.window),
});
export type Proofs = TypeOf<typeof proofsSchema>;

/** A VIEW-CHANGE with its proofs and the Q SUSPECTs that justify it beside. */
export const justifiedViewChangeSchema = struct({
  viewChange: viewChangeSchema,
  proofs: proofsSchema,
  suspects: list(suspectSchema, REPLICAS_MAX),
});
export type JustifiedViewChange = TypeOf<typeof justifiedViewChangeSchema>;

/** ⟨NEW-VIEW, v′, Q VIEW-CHANGEs, O⟩ signed by primary(v′), with the proofs beside. */
export const newViewSchema = struct({
  view: u53,
  viewChanges: list(viewChangeSchema, REPLICAS_MAX),
  /** O: the headers for N*+1 … max, in order. */
  headers: list(headerSchema, CAPS.window),
  proofs: proofsSchema,
  signature: fixed(64),
});
export type NewView = TypeOf<typeof newViewSchema>;

export function suspectStatement(cluster: Cluster, suspect: Pick<Suspect, 'view'>): Uint8Array {
  return statement(cluster, 'suspect', suspect.view);
}

const BASE_KINDS = { genesis: 0, commit: 1, stable: 2 } as const;

export function viewChangeStatement(
  cluster: Cluster,
  crypto: Pick<Crypto, 'hash'>,
  viewChange: Pick<ViewChange, 'view' | 'base' | 'prepared' | 'replica'>,
): Uint8Array {
  const { base, prepared } = viewChange;
  const claims = prepared.map((claim) =>
    statement(cluster, 'view-change', claim.view, claim.sequenceNumber, claim.batchDigest),
  );
  return statement(
    cluster,
    'view-change',
    viewChange.view,
    viewChange.replica,
    BASE_KINDS[base.kind],
    base.view,
    base.sequenceNumber,
    base.hashChainDigest,
    prepared.length,
    crypto.hash(concatBytes(...claims)),
  );
}

/** The statement hashed: what a NEW-VIEW names its VIEW-CHANGEs by. */
export function viewChangeDigest(
  cluster: Cluster,
  crypto: Pick<Crypto, 'hash'>,
  viewChange: ViewChange,
): Digest {
  return crypto.hash(viewChangeStatement(cluster, crypto, viewChange));
}

export function newViewStatement(
  cluster: Cluster,
  crypto: Pick<Crypto, 'hash'>,
  newView: Pick<NewView, 'view' | 'viewChanges' | 'headers'>,
): Uint8Array {
  return statement(
    cluster,
    'new-view',
    newView.view,
    newView.viewChanges.length,
    crypto.hash(
      concatBytes(...newView.viewChanges.map((viewChange) => viewChangeDigest(cluster, crypto, viewChange))),
    ),
    newView.headers.length,
    crypto.hash(
      concatBytes(
        ...newView.headers.map((header) =>
          statement(cluster, 'pre-prepare', header.view, header.sequenceNumber, header.batchDigest),
        ),
      ),
    ),
  );
}
