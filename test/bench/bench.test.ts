/** What the benchmark computes from what it measured; that it runs at all, `npm run bench -- --quick` shows. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCounts } from '../../bench/counts.ts';
import { figuresOf } from '../../bench/measure.ts';
import { parseOptions } from '../../bench/options.ts';
import { median, percentile, spread } from '../../bench/statistics.ts';

describe('statistics', () => {
  it('the median has as many values above as below', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1, maxLength: 20 }), (values) => {
        const middle = median(values);
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2);
      }),
    );
    expect(median([4, 1])).toBe(2.5);
  });

  it('a percentile is the least value that so many do not exceed', () => {
    const sorted = Float64Array.from({ length: 200 }, (_, i) => i + 1);
    expect([0, 0.5, 0.99, 1].map((share) => percentile(sorted, share))).toEqual([1, 100, 198, 200]);
    expect(percentile(new Float64Array(), 0.5)).toBeNaN();
  });

  it('the spread is half the range in units of the median', () => {
    expect(spread([90, 100, 110])).toBeCloseTo(0.1);
    expect(spread([7])).toBe(0);
  });
});

describe('options', () => {
  it('cross all that is listed; one operation alone has none to be joined with', () => {
    const options = parseOptions(['--in-flight', '1,64', '--bytes', '0', '--durability', 'disk', '--quick'])!;
    expect(options.workloads.map(({ mode, inFlight }) => `${mode} ${inFlight}`)).toEqual([
      'single 1',
      'single 64',
      'joined 64',
    ]);
    expect(options).toMatchObject({ runs: 3, seconds: 1 });
    expect(parseOptions(['--help'])).toBeUndefined();
  });

  it.each([
    [['--mode', 'both'], '--mode has "both"; expected a list of single, joined'],
    [['--in-flight', '0'], '--in-flight has "0"; expected numbers from 1'],
    [['--runs', '1.5'], '--runs has "1.5"; expected integers'],
    [['--bytes', ''], '--bytes has ""'],
  ])('%j is refused with the way out', (args, complaint) => {
    expect(() => parseOptions(args)).toThrow(complaint);
  });
});

/** The metrics of a replica where everything has come to `value`. */
function metricsText(value: number): string {
  const labelled = [
    ...['user', 'system'].map((mode) => `bft2f_cpu_seconds_total{mode="${mode}"}`),
    ...['made', 'verified', 'remembered'].map((how) => `bft2f_signatures_total{how="${how}"}`),
    ...['groups', 'fileSyncs', 'bytes'].map((what) => `bft2f_log_total{what="${what}"}`),
    ...['framesSent', 'bytesSent', 'writes'].map((what) => `bft2f_transport_total{what="${what}"}`),
    'bft2f_requests_total',
    'bft2f_operations_total',
    'bft2f_resident_memory_bytes',
    'bft2f_events_total{type="executed"}',
  ];
  return `# HELP bft2f_requests_total Requests executed\n${labelled.map((name) => `${name} ${value}\n`).join('')}`;
}

describe('figures', () => {
  it('reads what replicas count, and names what they do not', () => {
    expect(parseCounts(metricsText(3))).toMatchObject({ batches: 3, cpuSeconds: 6, fileSyncs: 3 });
    const lacking = metricsText(3).replace(/^bft2f_log_total.*"groups".*\n/m, '');
    expect(() => parseCounts(lacking)).toThrow('no bft2f_log_total{what="groups"}');
  });

  it('divides what was counted in the window, and nothing from before it', () => {
    const counts = (more: number) => ({
      ...parseCounts(metricsText(1_000)),
      batches: 10 + more,
      requests: 50 + 4 * more,
      operations: 70 + 8 * more,
      signaturesVerified: 100 + 9 * more,
      cpuSeconds: 5 + more / 100,
    });
    const moment = (atMs: number, more: number, clientCpuSeconds: number) => ({
      atMs,
      replicas: [counts(more), counts(more)],
      clientCpuSeconds,
    });
    const figures = figuresOf(Float64Array.of(1, 2, 3), moment(0, 0, 1), moment(2_000, 1_000, 5));
    expect(figures).toMatchObject({
      operationsPerSecond: 4_000,
      batchesPerSecond: 500,
      requestsPerBatch: 4,
      operationsPerBatch: 8,
      verifiedPerBatch: 9,
      votesVerifiedPerBatch: 5,
      replicaCpuPer1000: 2.5,
      clientCpuPer1000: 0.5,
      p50Ms: 2,
    });
  });
});
