import { parseDigest, parseNamespace, parsePackageName, type Namespace, type PackageName } from '@waybill/protocol';
import * as z from 'zod/mini';
import type { PublisherRule, Publishers } from './core/publishers.ts';
import { readTomlFile } from './toml-file.ts';

const ruleSchema = z.strictObject({
  keys: z._default(z.array(z.string()), []),
  delegation: z._default(z.boolean(), false),
});

/** The Rust server's authorized-keys file: tables `[namespace.<ns>]` and `[package."ns:name"]`; unknown members are refused. */
const fileSchema = z.strictObject({
  namespace: z._default(z.record(z.string(), ruleSchema), {}),
  package: z._default(z.record(z.string(), ruleSchema), {}),
});

/** Throws `usage/invalid`, naming the file and what is wrong in it. */
export function readPublishersFile(file: string): Promise<Publishers> {
  return readTomlFile(file, {
    sort: 'publishers',
    schema: fileSchema,
    read: ({ namespace, package: packages }) => ({
      namespaces: rulesBy<Namespace>(namespace, parseNamespace),
      packages: rulesBy<PackageName>(packages, parsePackageName),
    }),
  });
}

function rulesBy<K>(
  tables: Readonly<Record<string, z.infer<typeof ruleSchema>>>,
  parseKey: (text: string) => K,
): Map<K, PublisherRule> {
  const rules = Object.entries(tables).map(
    ([name, { keys, delegation }]) => [parseKey(name), { keys: new Set(keys.map(parseDigest)), delegation }] as const,
  );
  return new Map(rules);
}
