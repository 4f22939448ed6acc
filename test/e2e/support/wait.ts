/** Waiting for a condition of another process: by looking again and again, and with a clear word about what was seen if it never comes. */

const POLL_MS = 25;
export const PATIENCE_MS = 60_000;

/**
 * Resolves to what `look` finds. @throws Error after the time, with what `look` saw last: it may answer 'not yet' by throwing
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let seen: unknown;
  while (performance.now() < endMs) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      seen = error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const last = seen instanceof Error ? ` Last seen: ${seen.message}` : '';
  throw new Error(`${what}: not within ${timeoutMs} ms.${last}`);
}
