import { parseNamespace } from '@waybill/protocol';
import { parseRepository } from '@waybill/protocol/oci';
import * as z from 'zod/mini';
import type { UpstreamPlace } from './core/upstream-ports.ts';
import { readTomlFile } from './toml-file.ts';
import { AddressRules } from './upstream/address-rules.ts';

const text = z.string();
const placeSchema = z.strictObject({
  registry: text,
  prefix: z._default(text, ''),
  plain_http: z._default(z.boolean(), false),
  hosts: z._default(z.array(text), []),
  networks: z._default(z.array(text), []),
  username: z.optional(text),
  password_variable: z.optional(text),
});

/** Tables `[namespace.<ns>]`; unknown members are refused. */
const fileSchema = z.strictObject({ namespace: z.record(z.string(), placeSchema) });

/** A password stands in the environment, never in the file. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Throws `usage/invalid`, naming the file and what is wrong in it. */
export function readUpstreamsFile(file: string, env: Environment): Promise<readonly UpstreamPlace[]> {
  return readTomlFile(file, {
    sort: 'upstreams',
    schema: fileSchema,
    read: ({ namespace }) => Object.entries(namespace).map(([name, place]) => placeOf(name, place, env)),
  });
}

function placeOf(name: string, place: z.infer<typeof placeSchema>, env: Environment): UpstreamPlace {
  const { registry, prefix, plain_http: isPlainHttp, hosts, networks } = place;
  // Throws for what is no network.
  void new AddressRules(networks);
  if (prefix !== '') {
    if (!prefix.endsWith('/')) throw new TypeError(`the prefix ${prefix} needs a slash at its end`);
    parseRepository(prefix.slice(0, -1));
  }
  return {
    namespace: parseNamespace(name),
    registry: parseHost(registry, isPlainHttp),
    prefix,
    isPlainHttp,
    hosts: hosts.map((host) => parseHost(host, isPlainHttp)),
    networks,
    credentials: credentialsOf(name, place, env),
  };
}

/** As a URL of it says: so one host has one name. */
function parseHost(host: string, isPlainHttp: boolean): string {
  const url = `${isPlainHttp ? 'http' : 'https'}://${host}/`;
  if (URL.canParse(url) && new URL(url).host === host) return host;
  throw new TypeError(`${host} is no host, such as registry.example or registry.example:5000`);
}

function credentialsOf(
  name: string,
  { username, password_variable: variable }: z.infer<typeof placeSchema>,
  env: Environment,
): UpstreamPlace['credentials'] {
  if (username === undefined && variable === undefined) return null;
  if (username === undefined || variable === undefined) {
    throw new TypeError(`namespace.${name}: username and password_variable belong together`);
  }
  const password = env[variable];
  if (!password) throw new TypeError(`namespace.${name}: the environment has no ${variable}`);
  return { username, password };
}
