import { readFile } from 'node:fs/promises';
import { messageOf, RegistryError } from '@waybill/protocol';
import { parse } from 'smol-toml';
import type * as z from 'zod/mini';

/** A file of an operator's in TOML, as `read` takes it. Throws `usage/invalid`, naming the file by `sort` and what is wrong in it. */
export async function readTomlFile<S, T>(
  file: string,
  { sort, schema, read }: { readonly sort: string; readonly schema: z.ZodMiniType<S>; readonly read: (shape: S) => T },
): Promise<T> {
  try {
    return read(readShape(schema, parse(await readFile(file, 'utf8'))));
  } catch (cause) {
    throw new RegistryError('usage/invalid', `cannot use the ${sort} file ${file}: ${messageOf(cause)}`, {}, { cause });
  }
}

function readShape<S>(schema: z.ZodMiniType<S>, tables: unknown): S {
  const outcome = schema.safeParse(tables);
  if (outcome.success) return outcome.data;
  const [issue] = outcome.error.issues;
  throw new TypeError(`${issue?.path.map(String).join('.') || 'the top'}: ${issue?.message ?? 'unexpected'}`);
}
