import path from 'node:path';
import { buildCommand, buildRouteMap, type Command, type RouteMap } from '@stricli/core';
import { ociManifestOf, parseRequirement, resolveRelease } from '@waybill/client';
import { OCI_MEDIA_TYPE } from '@waybill/protocol/oci';
import { action, type CommandResult } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, registryFlags, textFlag } from '../flags.ts';
import { OUTPUT_MODE, writeOutput, writeStandardOutput } from '../output.ts';
import { formatBytes, type Progress } from '../progress.ts';
import { contentCacheOf, openClient, type RegistryFlags } from '../session.ts';
import { verifiedPackage } from './get.ts';
import { releaseBody } from './get-output.ts';

interface ManifestFlags extends RegistryFlags {
  readonly config?: boolean;
  readonly output?: string;
  readonly json?: boolean;
}

const manifestCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Build the OCI manifest of a release, here',
    fullDescription: `A release stands for one OCI manifest, the same bytes wherever it is built. Verifies the release, fetches its content, and says
the digests of the manifest and of its config: what a registry serves under them can be nothing else. A release that an OCI client has
pushed keeps the tag with the manifest of that push; this one is served beside it, by its digest.

  waybill oci manifest demo:hello@1.0.0
  waybill oci manifest demo:hello@1.0.0 -o manifest.json
  waybill oci manifest demo:hello@1.0.0 --config -o - | jq .component`,
  },
  parameters: {
    flags: {
      output: textFlag("Write the manifest's bytes there; '-' is standard output", 'file'),
      config: { kind: 'boolean', brief: 'With --output: the config instead', optional: true, withNegated: false },
      ...registryFlags,
    },
    aliases: { o: 'output' },
    positional: {
      kind: 'tuple',
      parameters: [argument('Package, with a version or range if wanted', 'ns:name[@range]')],
    },
  },
  func: action<ManifestFlags, [string]>(manifest),
});

async function manifest(
  context: CliContext,
  flags: ManifestFlags,
  progress: Progress,
  text: string,
): Promise<CommandResult | null> {
  const requirement = parseRequirement(text);
  const client = await openClient(context, flags);
  progress.step('verifying the log');
  const resolved = resolveRelease(await verifiedPackage(client, requirement), requirement, 'allow');
  const onProgress = (done: number, total: number): void => progress.step(`received ${done} of ${total} files`);
  const fetching = { client, cache: contentCacheOf(context), onProgress };
  const built = await client.reading(() => ociManifestOf(requirement.name, resolved, fetching));
  const bytes = flags.config === true ? built.config : built.manifest;
  if (flags.output === '-') {
    progress.stop();
    await writeStandardOutput([bytes]);
    return null;
  }
  const { output } = flags;
  if (output !== undefined) await writeOutput({ file: output, mode: OUTPUT_MODE, mayReplace: true }, bytes);
  const release = releaseBody(requirement.name, resolved);
  const said = {
    manifest: { mediaType: OCI_MEDIA_TYPE.manifest, digest: built.manifestDigest, size: built.manifest.length },
    config: { mediaType: built.configMediaType, digest: built.configDigest, size: built.config.length },
  };
  const lines = Object.entries(said).map(([what, { mediaType, digest, size }]) => {
    return `  ${what.padEnd(8)}  ${digest}  (${mediaType}, ${formatBytes(size)})`;
  });
  const head = `${requirement.name}@${resolved.release.version}${output === undefined ? '' : ` → ${output}`}`;
  const json = { ...release, ...said, ...(output === undefined ? {} : { file: path.resolve(output) }) };
  return { text: [head, ...lines].join('\n'), json };
}

/** `waybill oci`: releases as OCI tools see them. */
export const ociRoutes: RouteMap<CliContext> = buildRouteMap({
  routes: { manifest: manifestCommand },
  docs: { brief: 'Releases as OCI tools see them: manifest' },
});
