/** Malicious replicas stay outside of what is shipped. That src/ imports nothing of adversary/ is among the import rules. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as node from '../../src/node/index.ts';

const { files, exports } = JSON.parse(
  readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'),
) as { files: readonly string[]; exports: Readonly<Record<string, unknown>> };

describe('the fence round adversary/', () => {
  it('the package holds compiled sources and documents only', () => {
    expect([...files].sort()).toEqual(['README.md', 'dist', 'docs']);
  });

  it('nobody who imports the package can run a node round another core', () => {
    expect(exports['./node']).toMatchObject({ default: './dist/node/index.js' });
    expect(Object.keys(exports).filter((name) => name.includes('*'))).toEqual([]);
    expect(node).toHaveProperty('startNode');
    expect(node).not.toHaveProperty('startNodeAround');
  });
});
