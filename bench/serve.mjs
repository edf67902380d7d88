// A server in a process of its own: `node bench/serve.mjs FOLDER` prints its address and ends at SIGTERM. With `--oci` it has plain
// repositories below `plain`, too.
import { parseConfig, startServer } from '@waybill/server';

const [, , data, oci] = process.argv;
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
    ...(oci === '--oci' ? { ociPrefixes: ['plain'] } : {}),
  }),
  (failure) => {
    console.error(failure);
    process.exit(1);
  },
);
console.log(server.url.href);
process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)));
