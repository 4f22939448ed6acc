/** The checkers are tested too: each bug of bugs.ts turns red, by random faults, by a scenario, or by both; without it, the same seeds and scenarios are green. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { adversaryOf, BUGS, type BugName } from '../../src/simulator/bugs.ts';
import { runSimulation } from '../../src/simulator/run.ts';
import { parseScript, runScript } from '../../src/simulator/script.ts';

const ROOT = join(import.meta.dirname, '../..');

/** What a scenario's output says when the bug shows: a property that is violated, or an answer that never comes. */
const SCENARIOS: readonly (readonly [BugName, string, RegExp])[] = [
  ['certificates of 2f', 'divided-in-halves', /VIOLATION of agreement/],
  ['forgotten P', 'committed-by-one', /VIOLATION of agreement/],
  ['null over prepared', 'committed-by-one', /VIOLATION of agreement/],
  ['prepared deleted early', 'committed-by-one', /VIOLATION of agreement/],
  ['vote out of order', 'prepared-out-of-order', /VIOLATION of agreement/],
  ['vote over an earlier view', 'votes-of-earlier-views', /VIOLATION of agreement/],
  ['C not verified', 'inflated-base', /VIOLATION of agreement/],
  ['SUSPECT counted twice', 'primary-crash', /not within/],
  ['replies lost in transfer', 'reply-after-transfer', /not within/],
  ['entry before the snapshot', 'reply-after-transfer', /VIOLATION of persist before speak/],
  ['bad answer for a fork', 'altered-bodies', /not within 60000 ms/],
  ['no FETCH', 'starved-by-silent', /not within/],
  ['leaving alone', 'lone-suspect', /not within/],
  ['no new-view timer', 'new-view-lost', /not within/],
  ['NEW-VIEW forgotten', 'new-view-once', /VIOLATION of no equivocation/],
  ['votes forgotten', 'vote-survives-restart', /^1: voted v0 s3$/m],
  ['headers forgotten', 'new-view-once', /0 2 3: suspected v1 reason a request waited too long/],
  ['watermark ignored', 'watermark-holds', /VIOLATION of bounded memory/],
  ['replies of 2f', 'normal-case', /VIOLATION of receipts hold/],
  ['reads by result', 'reads-from-two-states', /VIOLATION of receipts hold/],
];

/**
 * Random faults that find each bug soon, and by what: the first violation among so many seeds, from one on that is known to find it. Seeds lose their meaning
 * when the simulator or the protocol changes; `npm run sim:mutants -- --bug NAME` then tells another place to begin. Left out are those that need hundreds of
 * seeds: docs/mutants.md.
 */
const SEARCHES: readonly (readonly [BugName, number, string])[] = [
  ['replies of 2f', 0, 'receipts hold'],
  ['PREPARE counted twice', 7, 'every request is answered'],
  ['vote counted twice', 1, 'every request is answered'],
  ['SUSPECT counted twice', 1, 'every request is answered'],
  ['VIEW-CHANGE counted twice', 1, 'every request is answered'],
  ['prepared deleted early', 39, 'P is complete'],
  ['vote out of order', 3, 'votes form a chain'],
  ['vote over an earlier view', 7, 'votes form a chain'],
  ['votes forgotten', 39, 'P is complete'],
  ['forgotten P', 3, 'P is complete'],
  ['forgotten C', 1, 'P is complete'],
  ['null over prepared', 8, 'P is complete'],
  ['VIEW-CHANGE forgotten', 64, 'no equivocation'],
  ['NEW-VIEW forgotten', 15, 'no equivocation'],
  ['no new-view timer', 8, 'every request is answered'],
  ['leaving alone', 1, 'every request is answered'],
  ['proposing after a restart', 44, 'no equivocation'],
  ['executing again', 3, 'linearizability'],
  ['reading one earlier', 0, 'linearizability'],
  ['promise before the disk', 0, 'persist before speak'],
  ['bodies not written', 0, 'persist before speak'],
  ['batches kept', 3, 'bounded memory'],
  ['records kept', 65, 'bounded memory'],
  ['bad answer for a fork', 8, 'every request is answered'],
  ['fork check missing', 28, 'self-consistency'],
  ['evidence untold', 2, 'a fork is proved'],
  ['no STATUS', 0, 'every request is answered'],
  ['no FETCH', 0, 'every request is answered'],
  ['reads by result', 3, 'receipts hold'],
  ['sent anew', 0, 'exactly once'],
  ['dominates inverted', 0, 'V is current'],
];

/** So that those whose seeds lost their meaning are still found, as a rule; the others take one. */
const SEEDS_MAX = 60;

/** Found by seeds too, but only by hundreds of them. */
const RARE: readonly BugName[] = [
  'too old forgotten',
  'watermark ignored',
  'certificates of 2f',
  'belief in one',
  'headers forgotten',
  'C not verified',
  'replies lost in transfer',
  'entry before the snapshot',
];

const table: string[] = [];

function scenario(name: string, bug?: BugName): string {
  const text = readFileSync(join(ROOT, 'test/traces', `${name}.trace`), 'utf8');
  return runScript(parseScript(text), bug).join('\n');
}

describe('bugs put in on purpose', () => {
  it.each(SCENARIOS)('%s: shown by the scenario %s', (bug, name, sign) => {
    expect(scenario(name)).not.toMatch(sign);
    expect(scenario(name, bug)).toMatch(sign);
    table.push(`${bug}: scenario ${name}`);
  });

  it.each(SEARCHES)('%s: found from seed %i on, by "%s"', (bug, from, property) => {
    for (let seed = from; seed < from + SEEDS_MAX; seed++) {
      const [violation] = runSimulation({ seed, bug, ...adversaryOf(bug, seed) }).violations;
      if (violation === undefined) continue;
      expect(violation.property).toBe(property);
      expect(runSimulation({ seed, ...adversaryOf(bug, seed) }).violations).toEqual([]);
      table.push(`${bug}: ${seed - from + 1} seeds: ${violation.property}`);
      return;
    }
    expect.unreachable(`${bug}: not found within ${SEEDS_MAX} seeds`);
  });

  it('each is searched for, or is rare and has its scenario', () => {
    const searched = SEARCHES.map(([bug]) => bug);
    expect([...searched, ...RARE].sort()).toEqual(Object.keys(BUGS).sort());
  });

  afterAll(() => {
    console.log(table.join('\n'));
  });
});

describe('what is shipped', () => {
  /** The protocol has no switch for bugs, and the rooms of a node import nothing from the simulator (test/import-rules.test.ts). */
  it.each(['protocol', 'node', 'network', 'storage', 'client', 'cli'])('src/%s knows of no bugs', (room) => {
    const folder = join(ROOT, 'src', room);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    expect(files.length).toBeGreaterThan(0);
    const names = Object.keys(BUGS);
    for (const file of files) {
      const text = readFileSync(join(folder, file), 'utf8');
      expect({ file, imports: /\/bugs(\.ts'|\/)|\/simulator\//.test(text) }).toEqual({
        file,
        imports: false,
      });
      expect(names.filter((name) => text.includes(`'${name}'`))).toEqual([]);
    }
  });
});
