/**
 * Resolves in another turn of the event loop: whoever works through many things gives way to others now and then. Waiting for what
 * is there already gives way to nobody.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
