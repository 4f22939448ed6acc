import { describe, expect, it } from 'vitest';
import { batchDigest, NULL_BATCH } from '../../src/protocol/messages/batch.ts';
import type {
  PreparedClaim,
  Proofs,
  ViewChange,
  ViewChangeBase,
} from '../../src/protocol/messages/view-change.ts';
import {
  findBaseCertificate,
  joinProofs,
  planNewView,
  rejectNewView,
  rejectViewChange,
} from '../../src/protocol/view-change-rules.ts';
import { equalBytes } from '../../src/types/bytes.ts';
import {
  checkpointCertificate,
  commitCertificate,
  digestOf,
  makeTestCluster,
  prepareCertificate,
  randomFrom,
  signHeader,
  signNewView,
  signViewChange,
} from './support.ts';

/** n = 4, f = 1, Q = 3, W = 4. */
const test = makeTestCluster(4, { limits: { pipelineWindow: 4 } });
const { context } = test;
const { cluster, crypto } = context;
const NULL_DIGEST = batchDigest(cluster, crypto, NULL_BATCH);
const NOTHING: Proofs = { commits: [], checkpoints: [], prepared: [] };
const VIEW = 5;

const genesis: ViewChangeBase = { kind: 'genesis', view: 0, sequenceNumber: 0, hashChainDigest: cluster.id };
const committed = (s: number, view = 1, name = `chain ${s}`): ViewChangeBase => ({
  kind: 'commit',
  view,
  sequenceNumber: s,
  hashChainDigest: digestOf(name),
});
const stable = (s: number): ViewChangeBase => ({
  kind: 'stable',
  view: 0,
  sequenceNumber: s,
  hashChainDigest: digestOf(`chain ${s}`),
});
const claim = (s: number, view = 2, name = `batch ${s} of ${view}`): PreparedClaim => ({
  view,
  sequenceNumber: s,
  batchDigest: digestOf(name),
});

/** True certificates for all that the claims name. */
function proofsFor(base: ViewChangeBase, prepared: readonly PreparedClaim[]): Proofs {
  const { view, sequenceNumber, hashChainDigest, kind } = base;
  const content = { sequenceNumber, hashChainDigest, logRoot: digestOf('L'), stateDigest: digestOf('Σ') };
  return {
    commits: kind === 'commit' ? [commitCertificate(test, view, sequenceNumber, hashChainDigest)] : [],
    checkpoints: kind === 'stable' ? [checkpointCertificate(test, content)] : [],
    prepared: prepared.map((it) => prepareCertificate(test, it.view, it.sequenceNumber, it.batchDigest)),
  };
}

function viewChangeOf(replica: number, base: ViewChangeBase, ...prepared: readonly PreparedClaim[]) {
  return {
    viewChange: signViewChange(test, replica, VIEW, base, prepared),
    proofs: proofsFor(base, prepared),
  };
}

describe('PBFT §4.4, docs/protocol.md §5.3: a valid VIEW-CHANGE', () => {
  const rejected = (
    base: ViewChangeBase,
    prepared: readonly PreparedClaim[],
    proofs = proofsFor(base, prepared),
  ) => rejectViewChange(context, signViewChange(test, 2, VIEW, base, prepared), proofs);

  it('stands on genesis, a commit certificate or a stable checkpoint, with P above it', () => {
    expect(rejected(genesis, [])).toBeUndefined();
    expect(rejected(genesis, [claim(1), claim(2, 4), claim(8)])).toBeUndefined();
    expect(rejected(committed(10), [claim(11), claim(18, 0)])).toBeUndefined();
    expect(rejected(stable(10), [claim(12)])).toBeUndefined();
  });

  it('has a C that is proved', () => {
    expect(rejected(committed(10), [], NOTHING)).toBe('BASE_NOT_PROVED');
    expect(rejected(stable(10), [], NOTHING)).toBe('BASE_NOT_PROVED');
    // The proof of another view, s, HCD or kind is none.
    expect(rejected(committed(10), [], proofsFor(committed(10, 2), []))).toBe('BASE_NOT_PROVED');
    expect(rejected(committed(10), [], proofsFor(committed(9), []))).toBe('BASE_NOT_PROVED');
    expect(rejected(committed(10), [], proofsFor(committed(10, 1, 'fork'), []))).toBe('BASE_NOT_PROVED');
    expect(rejected(committed(10), [], proofsFor(stable(10), []))).toBe('BASE_NOT_PROVED');
    const short = proofsFor(committed(10), []);
    const commits = short.commits.map((it) => ({ ...it, votes: it.votes.slice(1) }));
    expect(rejected(committed(10), [], { ...short, commits })).toBe('WRONG_VOTE_COUNT');
    const unsigned = proofsFor(stable(10), []);
    const checkpoints = unsigned.checkpoints.map((it) => ({ ...it, stateDigest: digestOf('other') }));
    expect(rejected(stable(10), [], { ...unsigned, checkpoints })).toBe('BAD_SIGNATURE');
  });

  it('has a C of a view below its own', () => {
    expect(rejected(committed(10, VIEW), [])).toBe('BASE_OF_LATER_VIEW');
    expect(rejected(committed(10, VIEW + 1), [])).toBe('BASE_OF_LATER_VIEW');
    expect(rejected(committed(10, VIEW - 1), [])).toBeUndefined();
  });

  it('names this genesis', () => {
    expect(rejected({ ...genesis, hashChainDigest: digestOf('other') }, [])).toBe('WRONG_GENESIS');
    expect(rejected({ ...genesis, sequenceNumber: 1 }, [])).toBe('WRONG_GENESIS');
    expect(rejected({ ...genesis, view: 1 }, [])).toBe('WRONG_GENESIS');
  });

  it('has a P that ascends, within (C.s, C.s+2W], in views below its own', () => {
    expect(rejected(committed(10), [claim(10)])).toBe('PREPARED_NOT_ASCENDING');
    expect(rejected(committed(10), [claim(12), claim(11)])).toBe('PREPARED_NOT_ASCENDING');
    expect(rejected(committed(10), [claim(11), claim(11, 3)])).toBe('PREPARED_NOT_ASCENDING');
    expect(rejected(committed(10), [claim(19)])).toBe('PREPARED_OUT_OF_WINDOW');
    expect(rejected(committed(10), [claim(11, VIEW)])).toBe('PREPARED_IN_LATER_VIEW');
  });

  it('has a P that is proved, each by its own certificate', () => {
    const proofs = proofsFor(committed(10), [claim(11), claim(12)]);
    const claims = [claim(11), claim(12)];
    expect(rejected(committed(10), claims, { ...proofs, prepared: proofs.prepared.slice(1) })).toBe(
      'PREPARED_NOT_PROVED',
    );
    const others = [claim(11, 1), claim(13), claim(11, 2, 'other')];
    const wrong = proofsFor(committed(10), others);
    expect(rejected(committed(10), [claim(11)], wrong)).toBe('PREPARED_NOT_PROVED');
    const short = proofs.prepared.map((it) => ({ ...it, prepares: it.prepares.slice(1) }));
    expect(rejected(committed(10), claims, { ...proofs, prepared: short })).toBe('WRONG_VOTE_COUNT');
  });

  it('is signed, in every field', () => {
    const { viewChange, proofs } = viewChangeOf(2, committed(10), claim(11));
    const altered: readonly Partial<ViewChange>[] = [
      { view: VIEW + 1 },
      { replica: 1 },
      { prepared: [] },
      { prepared: [claim(11), claim(12)] },
      { prepared: [claim(11, 3)] },
      { base: { ...viewChange.base, sequenceNumber: 9 } },
      { base: { ...viewChange.base, hashChainDigest: digestOf('other') } },
      { base: { ...viewChange.base, view: 0 } },
      { base: { ...viewChange.base, kind: 'stable' } },
    ];
    expect(rejectViewChange(context, viewChange, proofs)).toBeUndefined();
    for (const change of altered) {
      expect(rejectViewChange(context, { ...viewChange, ...change }, proofs)).toBe('BAD_SIGNATURE');
    }
  });
});

describe('PBFT §4.4, docs/protocol.md §5.4: what follows from Q VIEW-CHANGEs', () => {
  /** The rule once more, written as a search over all claims for one s at a time. */
  function naivePlan(
    viewChanges: readonly ViewChange[],
  ): (Pick<ViewChangeBase, 'sequenceNumber' | 'hashChainDigest'> & { digests: Uint8Array[] }) | undefined {
    const top = Math.max(...viewChanges.map(({ base }) => base.sequenceNumber));
    const bases = viewChanges.map(({ base }) => base);
    for (const a of bases) {
      for (const b of bases) {
        if (a.sequenceNumber === b.sequenceNumber && !equalBytes(a.hashChainDigest, b.hashChainDigest))
          return;
      }
    }
    const highest = bases.find((base) => base.sequenceNumber === top)!;
    const claims = viewChanges.flatMap(({ prepared }) => prepared);
    const last = Math.max(top, ...claims.map(({ sequenceNumber }) => sequenceNumber));
    const digests: Uint8Array[] = [];
    for (let s = top + 1; s <= last; s++) {
      let chosen: PreparedClaim | undefined;
      for (const each of claims) {
        if (each.sequenceNumber === s && each.view > (chosen?.view ?? -1)) chosen = each;
      }
      digests.push(chosen?.batchDigest ?? NULL_DIGEST);
    }
    return { sequenceNumber: top, hashChainDigest: highest.hashChainDigest, digests };
  }

  it('the highest C, and above it for each s the digest of the highest view, or null: on random cases', () => {
    let forks = 0;
    let gaps = 0;
    for (let seed = 0; seed < 2_000; seed++) {
      const random = randomFrom(seed);
      const viewChanges = [0, 1, 2].map((replica) => {
        const s = random(4);
        const base = s === 0 ? genesis : random(2) === 0 ? stable(s) : committed(s, random(5));
        const isForked = s > 0 && random(12) === 0;
        const prepared = [1, 2, 3, 4, 5].flatMap((i) => (random(2) === 0 ? [claim(s + i, random(5))] : []));
        const hashChainDigest = isForked ? digestOf('fork') : base.hashChainDigest;
        return {
          view: VIEW,
          base: { ...base, hashChainDigest },
          prepared,
          replica,
          signature: new Uint8Array(64),
        };
      });
      const plan = planNewView(context, viewChanges);
      const expected = naivePlan(viewChanges);
      if (expected === undefined) {
        forks++;
        expect(plan).toBeUndefined();
        continue;
      }
      if (expected.digests.includes(NULL_DIGEST)) gaps++;
      expect(plan?.base.sequenceNumber).toBe(expected.sequenceNumber);
      expect(plan?.base.hashChainDigest).toEqual(expected.hashChainDigest);
      expect(plan?.digests).toEqual(expected.digests);
    }
    expect(forks).toBeGreaterThan(20);
    expect(gaps).toBeGreaterThan(200);
  });

  it('nothing follows from no VIEW-CHANGEs', () => {
    expect(planNewView(context, [])).toBeUndefined();
  });
});

describe('PBFT §4.4, docs/protocol.md §5.4–5.5: a valid NEW-VIEW', () => {
  const justified = [
    viewChangeOf(0, committed(10), claim(11), claim(13, 3)),
    viewChangeOf(1, genesis, claim(3)),
    viewChangeOf(3, stable(8), claim(11, 4), claim(12, 1)),
  ];
  const viewChanges = justified.map((it) => it.viewChange);
  const proofs = joinProofs(justified);
  const headersOf = (digests: readonly Uint8Array[], view = VIEW) =>
    digests.map((digest, i) => signHeader(test, view, 11 + i, digest));
  const O = [claim(11, 4), claim(12, 1), claim(13, 3)].map((it) => it.batchDigest);
  const reject = (parts: {
    viewChanges?: readonly ViewChange[];
    headers?: ReturnType<typeof headersOf>;
    proofs?: Proofs;
    view?: number;
  }) =>
    rejectNewView(
      context,
      signNewView(
        test,
        parts.view ?? VIEW,
        parts.viewChanges ?? viewChanges,
        parts.headers ?? headersOf(O),
        parts.proofs ?? proofs,
      ),
    );

  it('is accepted as it follows from its VIEW-CHANGEs', () => {
    expect(reject({})).toBeUndefined();
  });

  it('holds exactly Q VIEW-CHANGEs of different replicas for its view', () => {
    expect(reject({ viewChanges: viewChanges.slice(1) })).toBe('WRONG_VIEW_CHANGE_COUNT');
    const fourth = viewChangeOf(2, genesis);
    expect(reject({ viewChanges: [...viewChanges, fourth.viewChange] })).toBe('WRONG_VIEW_CHANGE_COUNT');
    const twice = [viewChanges[0]!, viewChanges[1]!, viewChanges[1]!];
    expect(reject({ viewChanges: twice })).toBe('SIGNERS_NOT_ASCENDING');
    expect(reject({ viewChanges: [viewChanges[1]!, viewChanges[0]!, viewChanges[2]!] })).toBe(
      'SIGNERS_NOT_ASCENDING',
    );
    const older = signViewChange(test, 3, VIEW - 1, genesis, []);
    expect(reject({ viewChanges: [viewChanges[0]!, viewChanges[1]!, older] })).toBe(
      'VIEW_CHANGE_OF_OTHER_VIEW',
    );
  });

  it('repeats what was prepared, leaves nothing out, adds nothing, fills gaps with null only', () => {
    expect(reject({ headers: headersOf(O.slice(0, 2)) })).toBe('WRONG_O');
    expect(reject({ headers: [] })).toBe('WRONG_O');
    expect(reject({ headers: headersOf([...O, NULL_DIGEST]) })).toBe('WRONG_O');
    expect(reject({ headers: headersOf([claim(11).batchDigest, O[1]!, O[2]!]) })).toBe('WRONG_O');
    expect(reject({ headers: headersOf([NULL_DIGEST, O[1]!, O[2]!]) })).toBe('WRONG_O');
    expect(reject({ headers: headersOf([O[1]!, O[0]!, O[2]!]) })).toBe('WRONG_O');
    expect(reject({ headers: headersOf(O, VIEW + 4) })).toBe('WRONG_O');
    const gap = [
      viewChangeOf(0, committed(10)),
      viewChangeOf(1, genesis),
      viewChangeOf(3, genesis, claim(8)),
    ];
    expect(
      reject({ viewChanges: gap.map((it) => it.viewChange), headers: [], proofs: joinProofs(gap) }),
    ).toBe(undefined);
    const filled = [viewChangeOf(0, committed(10), claim(12)), gap[1]!, gap[2]!];
    const parts = { viewChanges: filled.map((it) => it.viewChange), proofs: joinProofs(filled) };
    expect(reject({ ...parts, headers: headersOf([NULL_DIGEST, claim(12).batchDigest]) })).toBeUndefined();
    expect(reject({ ...parts, headers: headersOf([digestOf('own'), claim(12).batchDigest]) })).toBe(
      'WRONG_O',
    );
  });

  it('is signed by the primary of its view, and so is each header of O', () => {
    const good = signNewView(test, VIEW, viewChanges, headersOf(O), proofs);
    const byAnother = signNewView(test, VIEW + 1, viewChanges, headersOf(O), proofs);
    expect(rejectNewView(context, { ...good, signature: byAnother.signature })).toBe('BAD_SIGNATURE');
    const headers = headersOf(O).map((it, i) => (i === 1 ? { ...it, signature: new Uint8Array(64) } : it));
    expect(reject({ headers })).toBe('BAD_HEADER_SIGNATURE');
  });

  it('is refused for two C of one s that differ, and for a VIEW-CHANGE that is not valid', () => {
    const forked = [
      viewChangeOf(0, committed(10)),
      viewChangeOf(1, committed(10, 2, 'fork')),
      viewChangeOf(3, genesis),
    ];
    const parts = { viewChanges: forked.map((it) => it.viewChange), headers: [], proofs: joinProofs(forked) };
    expect(reject(parts)).toBe('CONTRADICTORY_BASES');
    expect(reject({ proofs: { ...proofs, commits: [] } })).toBe('BASE_NOT_PROVED');
    expect(reject({ proofs: { ...proofs, prepared: proofs.prepared.slice(1) } })).toBe('PREPARED_NOT_PROVED');
    const forged = { ...viewChanges[1]!, signature: new Uint8Array(64) };
    expect(reject({ viewChanges: [viewChanges[0]!, forged, viewChanges[2]!] })).toBe('BAD_SIGNATURE');
  });

  it('carries each distinct certificate once', () => {
    const shared = [0, 1, 3].map((replica) => viewChangeOf(replica, committed(10), claim(11)));
    const joined = joinProofs(shared);
    expect(joined.commits).toHaveLength(1);
    expect(joined.prepared).toHaveLength(1);
    expect(findBaseCertificate(committed(10), joined)?.kind).toBe('commit');
  });

  it('cannot be spoilt by forged twins of certificates that a valid VIEW-CHANGE brings along', () => {
    const [, victim, last] = [0, 1, 3].map((replica) =>
      viewChangeOf(replica, committed(9 + replica), claim(15)),
    );
    const honest = viewChangeOf(0, genesis);
    const forge = <T extends object>(it: T, votes: object) => ({ ...it, ...votes });
    const twins: Proofs = {
      commits: [victim!, last!].flatMap(({ proofs: { commits } }) =>
        commits.map((it) => forge(it, { votes: [] })),
      ),
      checkpoints: [],
      prepared: victim!.proofs.prepared.map((it) => forge(it, { prepares: [] })),
    };
    const liar = { viewChange: honest.viewChange, proofs: twins };
    expect(rejectViewChange(context, liar.viewChange, liar.proofs)).toBeUndefined();
    const all = [liar, victim!, last!];
    const changes = all.map((it) => it.viewChange);
    const plan = planNewView(context, changes)!;
    const headers = plan.digests.map((digest, i) =>
      signHeader(test, VIEW, plan.base.sequenceNumber + 1 + i, digest),
    );
    expect(
      rejectNewView(context, signNewView(test, VIEW, changes, headers, joinProofs(all))),
    ).toBeUndefined();
  });
});
