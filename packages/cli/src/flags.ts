/* Flags that several commands share. */

const text = (input: string): string => input;

export const jsonFlag = {
  json: { kind: 'boolean', brief: 'Print the result as JSON', optional: true, withNegated: false },
} as const;

export const registryFlags = {
  registry: {
    kind: 'parsed',
    parse: text,
    brief: 'Address of the registry (or WAYBILL_REGISTRY)',
    optional: true,
    placeholder: 'url',
  },
  operatorKey: {
    kind: 'parsed',
    parse: text,
    brief: 'Key id of its operator, for the first contact without a terminal',
    optional: true,
    placeholder: 'sha256:…',
  },
  maxAge: {
    kind: 'parsed',
    parse: text,
    brief: 'How old its newest checkpoint may be: 10m, 24h (default), 7d, any',
    optional: true,
    placeholder: 'time',
  },
  ...jsonFlag,
} as const;

export const signingFlags = {
  key: {
    kind: 'parsed',
    parse: text,
    brief: "Name of the signing key (default: 'default'; or the key in WAYBILL_KEY)",
    optional: true,
  },
  cosign: {
    kind: 'parsed',
    parse: text,
    brief: 'Name of another key that signs too, in a package of version 1',
    optional: true,
    placeholder: 'name',
    variadic: true,
  },
  draft: {
    kind: 'parsed',
    parse: text,
    brief: 'Write the record to a file, for others to sign: see waybill record --help',
    optional: true,
    placeholder: 'file',
  },
  signer: {
    kind: 'parsed',
    parse: text,
    brief: 'With --draft: key id or public key of each who is to sign (default: the root)',
    optional: true,
    placeholder: 'key',
    variadic: true,
  },
  final: {
    kind: 'boolean',
    brief: 'Yes, lock everybody out of a permission for ever',
    optional: true,
    withNegated: false,
  },
  ...registryFlags,
} as const;

/** One required text argument. */
export function argument(brief: string, placeholder: string) {
  return { brief, parse: text, placeholder } as const;
}

/** One optional text flag. */
export function textFlag(brief: string, placeholder: string) {
  return { kind: 'parsed', parse: text, brief, optional: true, placeholder } as const;
}

/** A text flag that must be given. */
export function requiredFlag(brief: string, placeholder: string) {
  return { kind: 'parsed', parse: text, brief, placeholder } as const;
}

/** A text flag that may be given several times. */
export function requiredFlags(brief: string, placeholder: string) {
  return { kind: 'parsed', parse: text, brief, placeholder, variadic: true } as const;
}

export function repeatedFlag(brief: string, placeholder: string) {
  return { kind: 'parsed', parse: text, brief, optional: true, placeholder, variadic: true } as const;
}

/** The data folder of `waybill serve` and of the commands that work on it. */
export const DATA_DEFAULT = './waybill-data';

export const dataFlag = textFlag(`Data folder of the registry (default: ${DATA_DEFAULT})`, 'folder');

export const lastSignedFlag = textFlag(
  'File of what was last signed (default: last-signed in the data folder)',
  'file',
);
