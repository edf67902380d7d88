// A page that finds a component in a registry of another origin, believes nothing of it that does not verify, and runs it.
import { open } from '@waybill/client';
import { report } from './program.js';

/** The digest of what `words/` was made of: the bundler takes it from `words/waybill-types.json`. */
declare const MADE_OF: string;

async function run(url: string, operatorKey: string) {
  const registry = await open(url, { operatorKey });
  const { release, warnings } = await registry.find('example:words@^1');
  const { bytes } = await registry.get('example:words@^1');
  const verified = await registry.verify(bytes, 'example:words');
  // The module of this page was made of one release: it runs only while the registry's log has that one.
  if (release.digest !== MADE_OF) throw new Error(`this page is made of ${MADE_OF}, not of ${release.digest}`);
  return {
    version: verified.release.version,
    digest: release.digest,
    size: bytes.length,
    warnings: warnings.map(({ text }) => text),
    report: report([1, 2, 39]),
  };
}

Object.assign(globalThis, { run });
