import { readFile } from 'node:fs/promises';
import {
  messageOf,
  parseDigest,
  parseNamespace,
  parsePackageName,
  RegistryError,
  type Namespace,
  type PackageName,
} from '@waybill/protocol';
import { parse } from 'smol-toml';
import * as z from 'zod/mini';
import type { PublisherRule, Publishers } from './core/publishers.ts';

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
export async function readPublishersFile(file: string): Promise<Publishers> {
  try {
    const { namespace, package: packages } = readShape(parse(await readFile(file, 'utf8')));
    return {
      namespaces: rulesBy<Namespace>(namespace, parseNamespace),
      packages: rulesBy<PackageName>(packages, parsePackageName),
    };
  } catch (cause) {
    throw new RegistryError(
      'usage/invalid',
      `cannot use the publishers file ${file}: ${messageOf(cause)}`,
      {},
      { cause },
    );
  }
}

function readShape(tables: unknown): z.infer<typeof fileSchema> {
  const outcome = fileSchema.safeParse(tables);
  if (outcome.success) return outcome.data;
  const [issue] = outcome.error.issues;
  throw new TypeError(`${issue?.path.map(String).join('.') || 'the top'}: ${issue?.message ?? 'unexpected'}`);
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
