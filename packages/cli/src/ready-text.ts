import { DATA_DEFAULT } from './flags.ts';

/** What a person, or a program, is told of a registry that has started. */
export interface Ready {
  readonly url: string;
  readonly operatorKeyId: string;
  readonly commitKeyId: string;
  readonly operatorKeyFile: string;
}

/** What its first user types depends on it. */
export interface ReadySetting {
  readonly namespace: string;
  readonly dataDirectory: string;
  readonly needsToken: boolean;
  /** Clients that sign nothing may publish: a key of the registry signs for them. */
  readonly signsForAccounts: boolean;
}

export function readyText(ready: Ready, setting: ReadySetting): string {
  const { namespace, needsToken } = setting;
  const url = ready.url.replace(/\/$/, '');
  const login = `  ${tokenCommand(setting)} | waybill login ${url}\n`;
  const oci = ociLines(ready, setting);
  const ociText =
    oci.length === 0 ? '' : `\nfor wkg, and others that speak OCI:\n${oci.map((line) => `  ${line}\n`).join('')}`;
  return `waybill is listening on ${url}
${keyText(ready)}

next, in another terminal:
  waybill config registry ${url}
  waybill key new
${needsToken ? login : ''}  waybill publish FILE --package ${namespace}:hello --version 1.0.0
  waybill get ${namespace}:hello
${ociText}`;
}

/** The same for a program: what the lines for clients of OCI are, and how these clients name the registry. */
export function readyJson(ready: Ready, setting: ReadySetting): Ready & { ociHost: string | null; ociNext: string[] } {
  return { ...ready, ociHost: ociHost(ready), ociNext: ociLines(ready, setting) };
}

function keyText({ operatorKeyId, commitKeyId, operatorKeyFile }: Ready): string {
  if (commitKeyId === operatorKeyId) {
    return `  operator key  ${operatorKeyId}
  kept in       ${operatorKeyFile} (back it up; whoever has it is the operator)`;
  }
  return `  operator key  ${operatorKeyId} (not here)
  commit key    ${commitKeyId}
  kept in       ${operatorKeyFile} (back it up; whoever has it can sign checkpoints)`;
}

/** `null` below a path: these clients look at the root of a host only. */
function ociHost({ url }: Ready): string | null {
  const { host, pathname } = new URL(url);
  return pathname === '/' ? host : null;
}

/** A component goes by `wkg oci push`: `wkg publish` of 0.16.1 takes WIT packages alone. */
function ociLines(ready: Ready, setting: ReadySetting): string[] {
  const host = ociHost(ready);
  if (host === null) return [];
  const { namespace, needsToken, signsForAccounts } = setting;
  const { origin, protocol } = new URL(ready.url);
  const login = `${tokenCommand(setting)} | docker login ${host} --username me --password-stdin`;
  const insecure = protocol === 'http:' ? ` --insecure ${host}` : '';
  const push = `wkg oci push ${host}/${namespace}/hello:1.0.0 FILE${insecure}`;
  return [
    `waybill config wkg --registry ${origin} --write`,
    ...(signsForAccounts ? [...(needsToken ? [login] : []), push] : []),
    `wkg get ${namespace}:hello`,
  ];
}

function tokenCommand({ namespace, dataDirectory }: ReadySetting): string {
  const data = dataDirectory === DATA_DEFAULT ? '' : ` --data ${dataDirectory}`;
  return `waybill token create me --namespace ${namespace}${data}`;
}
