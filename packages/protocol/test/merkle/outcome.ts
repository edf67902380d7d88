import { RegistryError } from '../../src/errors.ts';

/** `'ok'`, or the code of the {@link RegistryError} thrown; anything else that is thrown is a failure of the test. */
export function outcome(run: () => unknown): string {
  try {
    run();
    return 'ok';
  } catch (thrown) {
    if (thrown instanceof RegistryError) return thrown.code;
    throw thrown;
  }
}

/** As {@link outcome}, for promises. */
export async function settled(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'ok';
  } catch (thrown) {
    return outcome(() => {
      throw thrown;
    });
  }
}
