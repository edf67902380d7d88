import * as z from 'zod/mini';
import { decodeBase64 } from '../bytes/base64.ts';
import { isRegistryError, RegistryError } from '../errors.ts';
import { parseJson, type JsonValue } from '../bytes/json.ts';

/** Text that `parse` accepts, as what `parse` gives; its refusal becomes a shape error. */
export function parsed<T>(parse: (text: string) => T): z.ZodMiniType<T> {
  return z.pipe(
    z.string(),
    z.transform((text: string, context): T => {
      try {
        return parse(text);
      } catch (thrown) {
        context.issues.push({
          code: 'custom',
          message: isRegistryError(thrown) ? thrown.message : 'bad text',
          input: text,
        });
        return z.NEVER;
      }
    }),
  );
}

/** Bytes in strict base64. */
export const base64Bytes: z.ZodMiniType<Uint8Array> = parsed(decodeBase64);

/** A count, size or index: an integer that a double holds exactly. */
export const count: z.ZodMiniType<number> = z.int().check(z.nonnegative());

/** Decodes strict JSON against a schema. Throws `wire/json` for what is no JSON, `wire/shape` for JSON of another shape. */
export function decodeJson<T>(schema: z.ZodMiniType<T>, source: Uint8Array | string): T {
  return decodeShape(schema, parseJson(source));
}

/** Decodes a parsed value against a schema. Throws `wire/shape`, naming the first member at fault. */
export function decodeShape<T>(schema: z.ZodMiniType<T>, value: JsonValue): T {
  const outcome = schema.safeParse(value);
  if (outcome.success) return outcome.data;
  const [issue] = outcome.error.issues;
  const path = issue?.path.map(String).join('.');
  throw new RegistryError(
    'wire/shape',
    `unexpected JSON${path ? ` at ${path}` : ''}: ${issue?.message ?? 'wrong shape'}`,
  );
}
