import { buildApplication, buildRouteMap, proposeCompletions, run, type Application } from '@stricli/core';
import { hasCode } from '@waybill/client/node';
import { annotateCommand, deprecateCommand } from './commands/annotate.ts';
import { backupCommand } from './commands/backup.ts';
import { claimCommand } from './commands/claim.ts';
import { diffCommand, lsCommand } from './commands/compare.ts';
import { bundleCommand } from './commands/bundle.ts';
import { configRoutes } from './commands/config.ts';
import { COMPLETE_WORD, completionCommand } from './commands/completion.ts';
import { typesCommand } from './commands/declarations.ts';
import { findCommand } from './commands/find.ts';
import { fsckCommand } from './commands/fsck.ts';
import { getCommand, verifyCommand } from './commands/get.ts';
import { keyRoutes } from './commands/key.ts';
import { loginCommand, logoutCommand } from './commands/login.ts';
import { infoCommand, logExportCommand, logShowCommand, logValidateCommand, headCommand } from './commands/look.ts';
import { ociRoutes } from './commands/oci.ts';
import { operatorRoutes } from './commands/operator.ts';
import { grantCommand, revokeCommand, transferCommand, upgradeCommand, whoCommand } from './commands/authority.ts';
import { addCommand, installCommand, outdatedCommand, updateCommand, whyCommand } from './commands/project.ts';
import { publishCommand, restoreCommand, yankCommand } from './commands/publish.ts';
import { recordRoutes } from './commands/record.ts';
import { serveCommand } from './commands/serve.ts';
import { signCommand, verifySignatureCommand } from './commands/sign.ts';
import { targetCommand } from './commands/target.ts';
import { tokenRoutes } from './commands/token.ts';
import { witCommand } from './commands/wit.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-code.ts';
import { withoutKeys } from './key-argument.ts';

const VERSION = '0.1.0';

const logRoutes = buildRouteMap({
  routes: { show: logShowCommand, export: logExportCommand, validate: logValidateCommand },
  docs: { brief: 'Logs of packages: show, export, validate' },
});

const root = buildRouteMap({
  routes: {
    publish: publishCommand,
    get: getCommand,
    add: addCommand,
    install: installCommand,
    update: updateCommand,
    why: whyCommand,
    outdated: outdatedCommand,
    ls: lsCommand,
    diff: diffCommand,
    wit: witCommand,
    target: targetCommand,
    bundle: bundleCommand,
    yank: yankCommand,
    restore: restoreCommand,
    deprecate: deprecateCommand,
    annotate: annotateCommand,
    grant: grantCommand,
    revoke: revokeCommand,
    transfer: transferCommand,
    upgrade: upgradeCommand,
    claim: claimCommand,
    who: whoCommand,
    record: recordRoutes,
    info: infoCommand,
    find: findCommand,
    log: logRoutes,
    verify: verifyCommand,
    oci: ociRoutes,
    types: typesCommand,
    head: headCommand,
    key: keyRoutes,
    sign: signCommand,
    'verify-signature': verifySignatureCommand,
    login: loginCommand,
    logout: logoutCommand,
    config: configRoutes,
    serve: serveCommand,
    operator: operatorRoutes,
    token: tokenRoutes,
    backup: backupCommand,
    fsck: fsckCommand,
    completion: completionCommand,
  },
  docs: {
    brief: 'WebAssembly packages from a registry that nobody has to trust',
    fullDescription: `Every release is a signed entry in a public log; every command verifies before it believes.

  waybill serve --namespace demo                                            run a registry here
  waybill publish hello.wasm --package demo:hello --version 1.0.0           release a file
  waybill get demo:hello                                                    fetch it, verified

Exit codes: 0 done · 64 usage · 65 tampered · 66 stale · 67 quorum · 68 not found · 69 network · 77 refused · 1 other`,
  },
});

const application: Application<CliContext> = buildApplication(root, {
  name: 'waybill',
  versionInfo: { currentVersion: VERSION },
  scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
  documentation: { caseStyle: 'convert-camel-to-kebab', useAliasInUsageLine: false },
});

/** Runs one command line; gives its exit code. */
export async function runCommandLine(args: readonly string[], context: CliContext): Promise<number> {
  const [first, ...words] = args;
  if (first === COMPLETE_WORD) {
    const proposals = await proposeCompletions(application, words, context);
    context.process.stdout.write(proposals.map(({ completion }) => `${completion}\n`).join(''));
    return EXIT.ok;
  }
  const guarded = { ...context, process: { ...context.process, stderr: keylessStream(context.process.stderr, args) } };
  await run(application, args.length === 0 ? ['--help'] : args, guarded);
  const code = Number(guarded.process.exitCode);
  // The parser's own codes are negative: whatever it did not understand is a mistake in usage.
  return code < 0 ? EXIT.usage : code;
}

/** The same stream where no argument is a key: what writes to it may ask whether it is a terminal. */
function keylessStream(stream: CliContext['process']['stderr'], args: readonly string[]): typeof stream {
  if (!args.some((arg) => withoutKeys(arg, args) !== arg)) return stream;
  return { write: (text) => stream.write(withoutKeys(text, args)) };
}

/** The command itself: this process's arguments, streams and exit code. */
export async function main(args: readonly string[]): Promise<void> {
  const { stdout, stderr, stdin, env } = process;
  const interactive = stderr.isTTY && stdin.isTTY;
  stdout.on('error', endWithoutOutput);
  process.exitCode = await runCommandLine(args, { process: { stdout, stderr, env, exitCode: null }, interactive });
}

/** Whoever reads a pipe may have had enough, as `head` has: that is no failure. */
function endWithoutOutput(failure: Error): never {
  if (hasCode(failure, 'EPIPE')) process.exit(EXIT.ok);
  process.stderr.write(`error: cannot write the output: ${failure.message}\n`);
  process.exit(EXIT.other);
}
