/** Bugs of changing views: what a VIEW-CHANGE leaves out or takes on trust, and clocks. */

import type { Context } from '../../protocol/context.ts';
import type { Message } from '../../protocol/messages/index.ts';
import {
  type PreparedClaim,
  type Suspect,
  type ViewChange,
  viewChangeStatement,
} from '../../protocol/messages/view-change.ts';
import type { DurableRecord } from '../../protocol/records.ts';
import type { Send } from '../../protocol/replica/io.ts';
import type { Replica } from '../../protocol/replica/state.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { ReplicaIndex, View } from '../../types/identities.ts';
import { type Bug, bending, uttering } from './bug.ts';

/** Whoever's signature stands under a commit vote, it passes: in certificates too, so that C proves nothing. */
export function unverifiedVotes(context: Context): Context {
  const { cluster, crypto } = context;
  const prefix = cluster.prefix('commit');
  return {
    ...context,
    crypto: {
      ...crypto,
      verify: (key, statement, signature) =>
        equalBytes(statement.subarray(0, prefix.length), prefix) || crypto.verify(key, statement, signature),
    },
  };
}

/** VIEW-CHANGEs say something else, consistently: on disk, on the wire and when they are repeated. */
function testifying(
  instead: (truth: ViewChange, context: Context) => ViewChange,
): NonNullable<Bug['program']> {
  return (correct, context, signer) => {
    const { cluster, crypto } = context;
    const bent = (viewChange: ViewChange): ViewChange => {
      const other = instead(viewChange, context);
      return { ...other, signature: signer.sign(viewChangeStatement(cluster, crypto, other)) };
    };
    const isOwn = ({ replica }: ViewChange) =>
      equalBytes(cluster.genesis.replicas[replica]!, signer.publicKey);
    const ofMessage = (message: Message): Message =>
      message.type === 'view-change' && isOwn(message.viewChange)
        ? { ...message, viewChange: bent(message.viewChange) }
        : message;
    const ofSend = ({ to, message }: Send): Send => ({ to, message: ofMessage(message) });
    const ofRecord = (record: DurableRecord): DurableRecord =>
      record.type === 'left'
        ? { ...record, viewChange: { ...record.viewChange, viewChange: bent(record.viewChange.viewChange) } }
        : record;
    const ofOutput = uttering((output) => ({
      ...output,
      persist: output.persist.map(ofRecord),
      carry: output.carry.map(ofRecord),
      sends: output.sends.map(ofSend),
      promises: output.promises.map(ofSend),
    }));
    return ofOutput(correct, context, signer);
  };
}

/** P holds only some of what was prepared. */
export const tellingOnly = (isTold: (claim: PreparedClaim, view: View) => boolean) =>
  testifying((truth) => ({
    ...truth,
    prepared: truth.prepared.filter((claim) => isTold(claim, truth.view)),
  }));

/** C is genesis, and P what fits above that. */
export const forgottenC = testifying((truth, { cluster }) => ({
  ...truth,
  base: { kind: 'genesis', view: 0, sequenceNumber: 0, hashChainDigest: cluster.id },
  prepared: truth.prepared.filter((claim) => claim.sequenceNumber <= 2 * cluster.limits.pipelineWindow),
}));

/** Nobody waits for the NEW-VIEW of a primary that is silent. */
export const noNewViewTimer = bending(() => (replica) => {
  replica.newViewDeadlineMs = undefined;
});

/** SUSPECTs by signer, one's own as often as a quorum needs. */
class OwnIsEnough extends Map<ReplicaIndex, Suspect> {
  private readonly replica: Replica;

  constructor(replica: Replica) {
    super(replica.suspects);
    this.replica = replica;
  }

  override *values(): MapIterator<Suspect> {
    yield* super.values();
    const { index, context } = this.replica;
    const own = this.get(index);
    for (let i = 1; own !== undefined && i < context.cluster.thresholds.quorumSize; i++) yield own;
  }
}

/** A replica that suspects leaves, alone, as in PBFT. */
export const leavingAlone = bending(() => (replica) => {
  if (replica.suspects instanceof OwnIsEnough) return;
  Object.assign(replica, { suspects: new OwnIsEnough(replica) });
});

/** A primary that restarted goes on proposing, though what it proposed last may not have reached its disk. */
export const proposingAfterRestart = bending(() => (replica) => {
  replica.mayPropose = true;
});
