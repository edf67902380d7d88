// A server in a process of its own: `node bench/serve.mjs FOLDER` prints its address and ends at SIGTERM.
import { parseConfig, startServer } from '@waybill/server';

const [, , data] = process.argv;
const server = await startServer(
  await parseConfig({
    data,
    listen: '127.0.0.1:0',
    namespaces: ['bench'],
    publishers: null,
    open: false,
    anyContent: false,
    publicUrl: null,
    logLevel: 'warn',
  }),
  (failure) => {
    console.error(failure);
    process.exit(1);
  },
);
console.log(server.url.href);
process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)));
