/** The picture of a run is well-formed, the same for the same run, and shows what happened. */

import { describe, expect, it } from 'vitest';
import { drawDiagram } from '../../src/simulator/diagram/index.ts';
import { gatherPicture } from '../../src/simulator/diagram/picture.ts';
import { chooseWindow, makeTimeScale } from '../../src/simulator/diagram/window.ts';
import { runSimulation } from '../../src/simulator/run.ts';
import type { Scenario } from '../../src/simulator/scenario.ts';
import type { TraceLine } from '../../src/simulator/trace-format.ts';
import { writeTrace } from '../../src/simulator/trace-json.ts';

function traceOf(scenario: Scenario): readonly TraceLine[] {
  const lines: TraceLine[] = [];
  const trace = writeTrace((line) => lines.push(line), scenario);
  const { digest, ok } = runSimulation({ ...scenario, observers: [trace] });
  trace.end(digest, ok);
  return lines;
}

/** Every element is closed in its turn, and nothing stands where XML forbids it. */
function complaintAbout(xml: string): string | undefined {
  const open: string[] = [];
  const token = /<(\/?)([a-zA-Z]+)((?: [\w:-]+="[^"<&]*(?:&(?:amp|lt|gt|quot);[^"<&]*)*")*)(\/?)>|([^<]+)/g;
  let end = 0;
  for (const match of xml.matchAll(token)) {
    if (match.index !== end) return `not XML at: ${xml.slice(end, end + 80)}`;
    end += match[0].length;
    const [, closing, name, , empty, content] = match;
    if (content !== undefined) {
      if (/&(?!(?:amp|lt|gt|quot);)|]]>/.test(content)) return `text that is not escaped: ${content}`;
    } else if (closing === '/') {
      if (open.pop() !== name) return `</${name}> closes another element`;
    } else if (empty === '') open.push(name!);
  }
  if (end !== xml.length) return `not XML at: ${xml.slice(end, end + 80)}`;
  return open.length === 0 ? undefined : `not closed: ${open.join(' ')}`;
}

const CRASH: Omit<Scenario, 'seed'> = {
  clients: 2,
  requests: 10,
  lossPerMille: 20,
  plan: [
    { atMs: 300, fault: { type: 'crash', replicas: [0], downMs: 1_500 } },
    { atMs: 400, fault: { type: 'pause', replica: 2, forMs: 100 } },
  ],
};

/** The first seed in which the crash of the primary leads to another view: most do. */
function viewChange(): Scenario {
  for (let seed = 0; ; seed++)
    if (runSimulation({ ...CRASH, seed }).stats.views > 0) return { ...CRASH, seed };
}

const VIEW_CHANGE = viewChange();

describe('the diagram', () => {
  const trace = traceOf(VIEW_CHANGE);

  it('is well-formed, and the same for the same run', () => {
    const svg = drawDiagram(trace);
    expect(complaintAbout(svg)).toBeUndefined();
    expect(drawDiagram(traceOf(VIEW_CHANGE))).toBe(svg);
  });

  it('shows the change of view by itself', () => {
    const svg = drawDiagram(trace);
    for (const words of ['>v0<', '>v1<', '>view-change<', '>new-view<', '>down<', '>between views<']) {
      expect(svg).toContain(words);
    }
    expect(svg).not.toContain('>status<');
    expect(drawDiagram(trace, { hidden: [] })).toContain('>status<');
  });

  it('shows the part that is asked for', () => {
    const svg = drawDiagram(trace, { fromMs: 0, toMs: 250 });
    expect(svg).toContain('0 to 250 ms');
    expect(svg).not.toContain('>view-change<');
    expect(() => drawDiagram(trace, { fromMs: 250, toMs: 250 })).toThrow(/end after it begins/);
  });

  it('marks a violation and ends with it', () => {
    const bad = traceOf({ seed: 0, bug: 'replies of 2f' });
    const svg = drawDiagram(bad);
    expect(svg).toContain('Violation of receipts hold');
    expect(complaintAbout(svg)).toBeUndefined();
  });

  it('refuses what is no trace', () => {
    expect(() => drawDiagram([])).toThrow(/not a trace/);
    expect(() => drawDiagram(trace.slice(1))).toThrow(/not a trace/);
  });

  it('text cannot break out of its place', () => {
    const hostile = trace.map((line) =>
      line.type === 'sent' ? { ...line, text: '</title><a b="c">&]]>\u0001' } : line,
    );
    expect(complaintAbout(drawDiagram(hostile))).toBeUndefined();
  });
});

describe('the picture behind it', () => {
  const header = traceOf({ seed: 1, clients: 1, requests: 1, faults: [] })[0]!;
  const commit = (at: number, replica: number, s: number, hcd: string): TraceLine => ({
    ...{ at, type: 'state', replica, event: 'committed', text: '' },
    sequenceNumber: s,
    hashChainDigest: hcd,
  });

  it('gives each fork a colour and keeps it', () => {
    const { commits } = gatherPicture([
      header,
      commit(1, 0, 1, 'a1'),
      commit(2, 1, 1, 'a1'),
      commit(3, 0, 2, 'a2'),
      commit(4, 1, 2, 'b2'),
      commit(5, 1, 3, 'b3'),
      commit(6, 0, 3, 'a3'),
      commit(7, 2, 3, 'b3'),
      commit(8, 2, 4, 'b4'),
      commit(9, 3, 3, 'c3'),
    ]);
    expect(commits.map((dot) => dot.history)).toEqual([0, 0, 0, 1, 1, 0, 1, 1, 2]);
  });

  it('a message that arrives twice is two arrows; one that was lost says why', () => {
    const sent: TraceLine = { at: 1, type: 'sent', id: 7, from: 0, to: 1, kind: 'commit', text: 'x' };
    const arrived = (at: number): TraceLine => ({ at, type: 'delivered', id: 7, from: 0, to: 1 });
    const lost: TraceLine = { at: 9, type: 'lost', id: 8, from: 0, to: 1, why: 'cut' };
    const { arrows } = gatherPicture([header, sent, { ...sent, id: 8 }, arrived(3), arrived(5), lost]);
    expect(arrows).toMatchObject([
      { endAt: 3, isCopy: false, lost: undefined },
      { endAt: 9, lost: 'cut' },
      { endAt: 5, isCopy: true },
    ]);
  });

  it('cuts of both directions are one, and end when they are healed', () => {
    const cut = (from: number[], to: number[]): TraceLine => ({
      ...{ at: 10, type: 'fault', fault: 'cut', text: '' },
      from,
      to,
    });
    const { disturbances } = gatherPicture([
      header,
      cut([1, 0], [2, 4]),
      cut([2, 4], [1, 0]),
      { at: 20, type: 'fault', fault: 'heal', text: 'heal' },
      { at: 30, type: 'fault', fault: 'other', text: 'weather' },
    ]);
    expect(disturbances).toMatchObject([
      { from: 10, to: 20, text: 'cut: 0 1 | 2 c0' },
      { from: 30, to: undefined, text: 'weather' },
    ]);
  });

  it('time goes on, however much of it is shortened', () => {
    const picture = gatherPicture(traceOf(VIEW_CHANGE));
    const isShown = (kind: string) => kind !== 'status';
    const window = chooseWindow(picture, isShown);
    const scale = makeTimeScale(picture, window, isShown);
    let before = Number.NEGATIVE_INFINITY;
    for (let us = window.fromUs; us <= window.toUs; us += Math.ceil((window.toUs - window.fromUs) / 1000)) {
      const px = scale.x(us);
      expect(px).toBeGreaterThanOrEqual(before);
      expect(px).toBeLessThanOrEqual(scale.width + 1e-9);
      before = px;
    }
    const pixels = scale.ticks.map(scale.x);
    for (const [i, px] of pixels.entries()) expect(px - (pixels[i - 1] ?? -100)).toBeGreaterThan(50);
  });
});
