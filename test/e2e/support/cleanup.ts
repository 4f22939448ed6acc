/** What a test must undo, in reverse order, whether it passed or not. What an action answers is waited for. */

const cleanups: (() => unknown)[] = [];

export function onCleanUp(action: () => unknown): void {
  cleanups.push(action);
}

/** To be called after each test. Does all of it, then fails with the first error. */
export async function cleanUp(): Promise<void> {
  const errors: unknown[] = [];
  for (const action of cleanups.splice(0).reverse()) {
    try {
      await action();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
