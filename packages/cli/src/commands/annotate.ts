import { buildCommand, type Command } from '@stricli/core';
import { encodeDraft } from '@waybill/client';
import {
  annotationBody,
  isRegistryError,
  parseAnnotationId,
  parsePackageName,
  parseVersion,
  RegistryError,
  utf8,
  type AnnotationDraft,
  type AnnotationId,
  type Digest,
  type PackageState,
  type VersionText,
} from '@waybill/protocol';
import { action } from '../action.ts';
import type { CliContext } from '../context.ts';
import { digestOfFile } from '../file-digest.ts';
import { argument, signingFlags, textFlag } from '../flags.ts';
import { publishPlan, type PlanFlags } from './plan.ts';

const targetArgument = {
  kind: 'tuple',
  parameters: [argument('Package, with a version if it is about that release', 'ns:name[@version]')],
} as const;

const SEE_HELP = ': see waybill annotate --help';

interface AnnotateFlags extends PlanFlags {
  readonly type?: string;
  readonly body?: string;
  readonly file?: string;
  readonly mediaType?: string;
  readonly withdraw?: string;
}

export const annotateCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Say something about a package or a release: an advisory, a licence, a readme …',
    fullDescription: `Types: deprecation, advisory, licence, readme, provenance, sbom, audit, rebuild, and x.… of your own. Short statements are
JSON in the record; documents are uploaded, and named by their digest. In a package of version 1 it takes annotate:<type>,
in one of version 0 release or yank. What was said can be withdrawn by its id (waybill info).

  waybill annotate demo:hello@1.0.0 --type licence --body '{"spdx":"MIT"}'
  waybill annotate demo:hello --type advisory --body '{"id":"DEMO-1","severity":"high","affected":"<1.2.0","fixed":["1.2.0"]}'
  waybill annotate demo:hello@1.0.0 --type sbom --file sbom.json --media-type application/spdx+json
  waybill annotate demo:hello --withdraw sha256:…/annotation/0`,
  },
  parameters: {
    flags: {
      type: textFlag('What kind of statement it is', 'type'),
      body: textFlag('What it says', 'JSON'),
      file: textFlag('A document that it names', 'file'),
      mediaType: textFlag('Media type of that document, such as text/markdown', 'type'),
      withdraw: textFlag('Take an annotation back, instead', 'annotation id'),
      ...signingFlags,
    },
    positional: targetArgument,
  },
  func: action<AnnotateFlags, [string]>(async (context, flags, progress, text) => {
    const { name, version } = targetOf(text);
    const files = new Map<Digest, string>();
    if (flags.file !== undefined) progress.step(`hashing ${flags.file}`);
    const draft = flags.withdraw === undefined ? await draftOf(flags, version, files) : withdrawalOf(flags, version);
    // Said before anybody is asked for anything.
    encodeDraft(draft);
    return publishPlan(context, flags, progress, { package: name, entries: () => [], annotations: [draft], files });
  }),
});

function targetOf(text: string): { readonly name: string; readonly version: VersionText | null } {
  const at = text.indexOf('@');
  if (at < 0) return { name: parsePackageName(text), version: null };
  return { name: parsePackageName(text.slice(0, at)), version: parseVersion(text.slice(at + 1)) };
}

/** Adds the file that it names to `files`. Throws `usage/invalid`. */
async function draftOf(
  { type, body, file, mediaType }: AnnotateFlags,
  version: VersionText | null,
  files: Map<Digest, string>,
): Promise<AnnotationDraft> {
  if (type === undefined) throw new RegistryError('usage/invalid', `give --type, or --withdraw${SEE_HELP}`);
  if (body !== undefined && file !== undefined) {
    throw new RegistryError('usage/invalid', `an annotation has --body or --file, not both${SEE_HELP}`);
  }
  if ((file === undefined) !== (mediaType === undefined)) {
    throw new RegistryError('usage/invalid', `--file and --media-type go together${SEE_HELP}`);
  }
  if (body !== undefined) return { type, version, body: utf8(body) };
  if (file === undefined || mediaType === undefined) return { type, version };
  const { digest, size } = await digestOfFile(file);
  files.set(digest, file);
  return { type, version, content: { digest, size, mediaType } };
}

/** Throws `usage/invalid` where more is said than what is withdrawn. */
function withdrawalOf(
  { withdraw = '', type, body, file, mediaType }: AnnotateFlags,
  version: VersionText | null,
): AnnotationDraft {
  if (version !== null || [type, body, file, mediaType].some((given) => given !== undefined)) {
    throw new RegistryError('usage/invalid', `--withdraw says everything: a package, and nothing besides${SEE_HELP}`);
  }
  return { type: 'withdrawal', target: annotationIdOf(withdraw) };
}

function annotationIdOf(text: string): AnnotationId {
  try {
    return parseAnnotationId(text);
  } catch (cause) {
    if (!isRegistryError(cause, 'wire/shape')) throw cause;
    const message = `${text} is no annotation id, <record id>/annotation/<index>: see waybill info`;
    throw new RegistryError('usage/invalid', message, {}, { cause });
  }
}

interface DeprecateFlags extends PlanFlags {
  readonly message?: string;
  readonly successor?: string;
}

export const deprecateCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Say that a package or a release should be used no more',
    fullDescription: `It is still resolved where nothing else matches, with a warning. It can be taken back: waybill annotate --withdraw.

  waybill deprecate demo:hello@1.0.0 --message "leaks memory"
  waybill deprecate demo:hello --successor demo:greeting`,
  },
  parameters: {
    flags: {
      message: textFlag('Why, in a sentence', 'text'),
      successor: textFlag('Package to use instead', 'ns:name'),
      ...signingFlags,
    },
    positional: targetArgument,
  },
  func: action<DeprecateFlags, [string]>((context, flags, progress, text) => {
    const { name, version } = targetOf(text);
    const draft = { type: 'deprecation', version, body: annotationBody(deprecationOf(flags)) };
    encodeDraft(draft);
    return publishPlan(context, flags, progress, {
      package: name,
      entries: (state) => requireVersion(state, name, version),
      annotations: [draft],
      files: new Map(),
    });
  }),
});

function deprecationOf({ message, successor }: DeprecateFlags): { [name: string]: string } {
  return {
    ...(message === undefined ? {} : { message }),
    ...(successor === undefined ? {} : { successor: parsePackageName(successor) }),
  };
}

/** A slip in the version would deprecate nothing. */
function requireVersion({ bindings }: PackageState, name: string, version: VersionText | null): readonly never[] {
  if (version === null || bindings.has(version)) return [];
  throw new RegistryError('release/not-found', `${name} has no version ${version}`, { version });
}
