/** The figures as text: the floor, and a table with a line per workload. */

import type { Floor } from './floor.ts';
import type { Figures, Row } from './measure.ts';
import { median, spread } from './statistics.ts';

export function floorText(floor: Floor): string {
  const us = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} µs`;
  return [
    `floor of this machine (${floor.cpus} CPUs):`,
    `  sign ${us(floor.signUs)}, verify ${us(floor.verifyUs)}, SHA-256 of 64 B ${us(floor.hash64BytesUs)}, of 1 KiB ${us(floor.hash1KiBUs)}`,
    `  fdatasync ${us(floor.fdatasyncUs)}, TLS round trip on loopback ${us(floor.tlsRoundTripUs)}`,
    `  signatures alone allow ${Math.round(floor.signedOperationsPerSecond)} operations/s, one per request (f = 1, batches of 64)`,
  ].join('\n');
}

interface Column {
  readonly title: readonly [string, string];
  readonly value: (row: Row) => string;
}

const COLUMNS: readonly Column[] = [
  { title: ['', 'durability'], value: ({ workload }) => workload.durability },
  { title: ['', 'mode'], value: ({ workload }) => workload.mode },
  { title: ['', 'value'], value: ({ workload }) => sizeText(workload.bytes) },
  { title: ['in', 'flight'], value: ({ workload }) => String(workload.inFlight) },
  { title: ['', 'ops/s'], value: (row) => middle(row, 'operationsPerSecond', 0) },
  {
    title: ['', '±'],
    value: ({ runs }) =>
      runs.length < 2 ? '–' : `${Math.round(100 * spread(runs.map((run) => run.operationsPerSecond)))} %`,
  },
  { title: ['p50', 'ms'], value: (row) => middle(row, 'p50Ms', 1) },
  { title: ['p99', 'ms'], value: (row) => middle(row, 'p99Ms', 1) },
  { title: ['CPU s/1000 ops', 'replicas'], value: (row) => middle(row, 'replicaCpuPer1000', 2) },
  { title: ['', 'client'], value: (row) => middle(row, 'clientCpuPer1000', 2) },
  { title: ['', 'batches/s'], value: (row) => middle(row, 'batchesPerSecond', 0) },
  { title: ['per batch:', 'ops'], value: (row) => middle(row, 'operationsPerBatch', 1) },
  { title: ['', 'requests'], value: (row) => middle(row, 'requestsPerBatch', 1) },
  { title: ['', 'signed'], value: (row) => middle(row, 'signedPerBatch', 1) },
  { title: ['verified', 'votes'], value: (row) => middle(row, 'votesVerifiedPerBatch', 1) },
  { title: ['', 'fsyncs'], value: (row) => middle(row, 'fsyncsPerBatch', 1) },
  { title: ['', 'frames'], value: (row) => middle(row, 'framesPerBatch', 1) },
  { title: ['RSS MiB', 'replica'], value: (row) => middle(row, 'replicaRssMiB', 0) },
  { title: ['', 'client'], value: (row) => middle(row, 'clientRssMiB', 0) },
];

/** Two lines of headings, then one per row; the columns are aligned to the right. */
export function tableText(rows: readonly Row[]): string {
  const lines = [
    COLUMNS.map(({ title }) => title[0]),
    COLUMNS.map(({ title }) => title[1]),
    ...rows.map((row) => COLUMNS.map(({ value }) => value(row))),
  ];
  const widths = COLUMNS.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  return lines.map((line) => line.map((cell, i) => cell.padStart(widths[i]!)).join('  ')).join('\n');
}

function middle({ runs }: Row, name: keyof Figures, digits: number): string {
  return median(runs.map((run) => run[name])).toFixed(digits);
}

function sizeText(bytes: number): string {
  return bytes > 0 && bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} B`;
}
