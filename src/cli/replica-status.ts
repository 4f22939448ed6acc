/** Asks replicas what they say of themselves, on the port that serves it. */

import type { Address, NodeStatus } from '../node/index.ts';
import type { ClientConfig } from './cluster-directory.ts';

/** What one replica answered, or why it did not. */
export type ReplicaReport =
  | { readonly index: number; readonly answers: true; readonly status: NodeStatus }
  /** `asked`: whether there was an address to ask at. */
  | { readonly index: number; readonly answers: false; readonly asked: boolean; readonly reason: string };

const TIMEOUT_MS = 2_000;
const STATUS_BYTES_MAX = 1024 * 1024;

/** All replicas at once; answers in their order. Never rejects. */
export function fetchReports({ replicas }: ClientConfig): Promise<readonly ReplicaReport[]> {
  return Promise.all(replicas.map(({ status }, index) => fetchReport(index, status)));
}

async function fetchReport(index: number, address: Address | undefined): Promise<ReplicaReport> {
  if (address === undefined) {
    return { index, answers: false, asked: false, reason: 'not asked: client.json names no status port' };
  }
  try {
    const response = await get(address, '/status');
    const text = await response.text();
    if (!response.ok || text.length > STATUS_BYTES_MAX) throw new Error(`answered ${response.status}`);
    const status = JSON.parse(text) as NodeStatus;
    if (status.index !== index) throw new Error(`replica ${status.index} answers at its address`);
    return { index, answers: true, status };
  } catch (error) {
    return { index, answers: false, asked: true, reason: reasonOf(error) };
  }
}

/** Whether the replica says that it is ready. */
export async function fetchReady(address: Address): Promise<boolean> {
  try {
    const response = await get(address, '/readyz');
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

function get({ host, port }: Address, path: string): Promise<Response> {
  const name = host.includes(':') ? `[${host}]` : host;
  return fetch(`http://${name}:${port}${path}`, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: { connection: 'close' },
  });
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return 'does not run (connection refused)';
  if (error instanceof Error && error.name === 'TimeoutError') return `silent for ${TIMEOUT_MS} ms`;
  return code ?? (error instanceof Error ? error.message : String(error));
}
