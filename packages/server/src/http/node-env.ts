import type { HttpBindings } from '@hono/node-server';

/** What a handler finds in `c.env`: Node's own request when a socket is behind it, nothing in a test. */
export interface NodeEnv {
  Bindings: Partial<HttpBindings>;
}
