/** VIEW-CHANGEs that conceal what was prepared or committed, or claim what never was, another one to each receiver; and views that must change. */

import type { MessageOf } from '../../protocol/messages/index.ts';
import { commitStatement } from '../../protocol/messages/ordering.ts';
import type { ViewChange } from '../../protocol/messages/view-change.ts';
import type { Attack, Traitor } from './attack.ts';
import { misbehaving } from './misbehaving.ts';
import { signed } from './signing.ts';

export const lyingViewChange: Attack = {
  description:
    'VIEW-CHANGEs of the faulty leave prepared batches out, lower C, or inflate it under forged votes; as primaries they are mute.',
  replica: (correct, traitor) =>
    misbehaving(correct, traitor, {
      say(said) {
        const { to, message } = said;
        if (message.type === 'pre-prepare') return [];
        if (message.type !== 'view-change' || message.viewChange.replica !== traitor.index) return [said];
        return [{ to, message: signed(lie(message, traitor), traitor) }];
      },
    }),
};

function lie(message: MessageOf<'view-change'>, traitor: Traitor): MessageOf<'view-change'> {
  const { random, context } = traitor;
  const { viewChange } = message;
  const { base, prepared } = viewChange;
  const told = (fields: Partial<ViewChange>) => ({ ...message, viewChange: { ...viewChange, ...fields } });
  switch (random.below(5)) {
    case 0:
      return told({ prepared: [] });
    case 1:
      return told({ prepared: prepared.slice(random.below(prepared.length + 1)) });
    case 2:
      return told({
        base: { kind: 'genesis', view: 0, sequenceNumber: 0, hashChainDigest: context.cluster.id },
        prepared: [],
      });
    case 3:
      return told({
        prepared: prepared.map((claim) => ({
          ...claim,
          batchDigest: context.crypto.hash(claim.batchDigest),
        })),
      });
    default: {
      const fields = {
        view: 0,
        sequenceNumber: base.sequenceNumber + random.between(1, 40),
        hashChainDigest: context.crypto.hash(base.hashChainDigest),
      };
      return {
        ...told({ base: { kind: 'commit', ...fields }, prepared: [] }),
        proofs: { ...message.proofs, commits: [{ ...fields, votes: forgedVotes(fields, traitor) }] },
      };
    }
  }
}

/** A quorum of votes, of which only the coalition's are signed by those they name. */
function forgedVotes(fields: Parameters<typeof commitStatement>[1], { context, signer, coalition }: Traitor) {
  const { quorumSize } = context.cluster.thresholds;
  const statement = commitStatement(context.cluster, fields);
  return Array.from({ length: quorumSize }, (_, replica) => ({
    replica,
    signature: (coalition.signers.get(replica) ?? signer).sign(statement),
  }));
}
