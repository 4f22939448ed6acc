/**
 * One process at a time uses a data directory: two would sign conflicting votes under one key.
 *
 * Node has no flock. A file with a process number goes stale and means nothing in another pid namespace; an
 * abstract socket is not seen from another network namespace. So a claim is a listening socket in the directory
 * itself: the kernel answers for it as long as the process exists (also while it is stopped or busy) and refuses
 * connections from the instant it is dead, kill -9 included.
 *
 * Claims have names that never return, so removing a dead one cannot hit a living one. Publish first, then look
 * at the others: of two processes the one that publishes later sees the earlier, hence never both go on. If
 * they start at the same instant, both may be refused. Not meant for network file systems shared by machines.
 */

import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as net from 'node:net';
import type { FileLock } from './file-layer.ts';
import { StorageError } from './storage-error.ts';

const CLAIM_PREFIX = 'LOCK.';

/** @throws StorageError LOCKED, naming the process that has the directory */
export async function lockDirectory(directory: string): Promise<FileLock> {
  const handle = await fs.promises.open(directory, 'r');
  // The path of a socket has at most 107 bytes; by way of the open directory it is short wherever that lies.
  const viaDescriptor = `/proc/self/fd/${handle.fd}`;
  const base = fs.existsSync(viaDescriptor) ? viaDescriptor : directory;
  const claim = `${CLAIM_PREFIX}${process.pid}.${randomBytes(6).toString('hex')}`;
  const server = net.createServer((socket) => socket.destroy());
  const release = async (): Promise<void> => {
    // Closing removes the claim by its path, which goes through the open directory: that is closed last.
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await handle.close();
  };
  try {
    await listen(server, `${base}/${claim}`);
    await refuseIfClaimed(directory, base, claim);
  } catch (error) {
    await release();
    throw error;
  }
  server.unref();
  return { release };
}

async function refuseIfClaimed(directory: string, base: string, own: string): Promise<void> {
  for (const name of await fs.promises.readdir(directory)) {
    if (!name.startsWith(CLAIM_PREFIX) || name === own) continue;
    if (await isAlive(`${base}/${name}`)) {
      const holder = name.split('.')[1];
      throw new StorageError('LOCKED', `${directory} is in use by process ${holder}: stop it first.`);
    }
    await fs.promises.rm(`${base}/${name}`, { force: true });
  }
}

function listen(server: net.Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(path, resolve);
  });
}

/** Only a refusal or an absent file shows death; a full queue, for example, is a sign of life. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}
