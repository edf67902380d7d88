import { isRegistryError, messageOf } from '@waybill/protocol';
import { parseConfig } from '../../src/config.ts';
import { startServer } from '../../src/main.ts';

/*
 * A server process for the durability tests: `serve.js DATA` serves the folder DATA on a free port and prints its address
 * and its process id. It ends as `waybill serve` does: gracefully when asked to, at once when going on could sign a second
 * history. Why it ended stands on stderr, the error code first.
 */

const [data = ''] = process.argv.slice(2);

function endAtOnce(failure: unknown): never {
  const code = isRegistryError(failure) ? failure.code : 'no code';
  process.stderr.write(`${code}: ${messageOf(failure)}\n`);
  process.exit(1);
}

try {
  const config = await parseConfig({
    data,
    listen: '127.0.0.1:0',
    namespaces: ['test'],
    publishers: null,
    open: true,
    anyContent: true,
    publicUrl: null,
    logLevel: 'silent',
  });
  const server = await startServer(config, endAtOnce);
  process.once('SIGTERM', () => {
    server.stop().catch(endAtOnce);
  });
  process.stdout.write(`${server.url.href} ${process.pid}\n`);
} catch (failure) {
  endAtOnce(failure);
}
