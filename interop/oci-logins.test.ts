import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { createToken, revokeToken } from '@waybill/server';
import { refuses, succeeds, type Outcome } from './command.ts';
import { LOGGED, PLAIN, startOciWaybill } from './oci-registry.ts';
import { copyInto, openStage, writeFiles, type OciStage } from './oci-stage.ts';
import { Crane, Oras, OciWkg, WASM_TYPE } from './oci-tools.ts';
import { peerTest } from './peers.ts';
import { moduleFile } from './stories.ts';

/** By the challenge of the server: what it is started with. */
const CHALLENGES = { Bearer: [], Basic: ['--oci-login', 'basic'] };
const USER = 'me';
/** As the tools say it. */
const REFUSED = /401|403|unauthorized|denied|credential/i;
const WRONG = `wbt_${'0'.repeat(72)}`;

for (const [challenge, args] of Object.entries(CHALLENGES)) {
  peerTest(`logins, asked for by ${challenge}`, ['wkg', 'oras', 'crane'], async (t) => {
    const start = (data: string) => startOciWaybill(data, ['--tokens', 'required', '--gateway', ...args]);
    const stage = await openStage(t, start);
    await tellLogins(t, stage);
  });
}

async function tellLogins(t: TestContext, stage: OciStage): Promise<void> {
  await t.test('nobody may push, and everybody may pull', () => anonymousReads(stage));
  await t.test('wkg with its configuration', () => wkgConfigured(stage));
  await t.test('wkg with a bearer token of its environment', () => wkgBearer(stage));
  await t.test('a file of Docker that was written by hand', () => dockerFile(stage));
  await t.test('oras login', () => orasLogin(stage));
  await t.test('crane auth login', () => craneLogin(stage));
  await t.test('a token of another namespace', () => otherNamespace(stage));
  await t.test('a token that was taken back', () => revoked(stage));
}

interface Token {
  readonly text: string;
  readonly id: string;
}

async function tokenOf({ server }: OciStage, namespaces: readonly string[] = ['*']): Promise<Token> {
  const { text, listed } = await createToken({
    data: server.data,
    account: USER,
    actions: ['publish', 'read'],
    namespaces,
    lifetimeSeconds: 600,
  });
  return { text, id: listed.id };
}

/** A package of WIT that is published by `wkg`, which lists the tags first. */
async function wkgPublishes(wkg: OciWkg, name: string): Promise<Outcome> {
  const project = path.join(wkg.home, name);
  writeFiles(project, { 'wit/package.wit': `package test:${name}@1.0.0;\n\ninterface api {\n  f: func();\n}\n` });
  await succeeds(wkg.run(['wit', 'build', '--output', 'built.wasm'], project));
  return wkg.run(['publish', 'built.wasm'], project);
}

/** A module, as a release and into a plain repository. */
function orasPushes(stage: OciStage, oras: Oras, repository: string): Promise<Outcome> {
  copyInto(oras, moduleFile(stage, 'module'), 'module.wasm');
  return oras.push(stage.at(`${repository}:1.0.0`), [`module.wasm:${WASM_TYPE}`]);
}

async function anonymousReads(stage: OciStage): Promise<void> {
  const [wkg, oras] = [stage.wkg(), stage.oras()];
  for (const repository of [`${LOGGED}/nobody`, `${PLAIN}/nobody`])
    await refuses(orasPushes(stage, oras, repository), 1, REFUSED);
  await refuses(wkgPublishes(wkg, 'nobody'), 1);
  const { text } = await tokenOf(stage);
  const owner = new Oras({ home: stage.home() });
  await succeeds(owner.login(stage.server.host, USER, text));
  for (const repository of [`${LOGGED}/read-by-all`, `${PLAIN}/read-by-all`]) {
    await succeeds(orasPushes(stage, owner, repository));
    await succeeds(stage.oras().pull(stage.at(`${repository}:1.0.0`), 'pulled'));
    assert.deepEqual(await stage.crane().list(stage.at(repository)), ['1.0.0']);
  }
}

async function wkgConfigured(stage: OciStage): Promise<void> {
  const { text } = await tokenOf(stage);
  const { host } = stage.server;
  const right = new OciWkg({ home: stage.home(), host, login: { username: USER, password: text } });
  await succeeds(wkgPublishes(right, 'configured'));
  const reader = stage.wkg();
  await succeeds(reader.get('test:configured', '1.0.0', path.join(reader.home, 'got.wasm')));
  const wrong = new OciWkg({ home: stage.home(), host, login: { username: USER, password: WRONG } });
  await refuses(wkgPublishes(wrong, 'wrongly-configured'), 1);
}

async function wkgBearer(stage: OciStage): Promise<void> {
  const { host } = stage.server;
  const name = `WKG_REGISTRY_${host.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}_AUTH_BEARER`;
  const { text } = await tokenOf(stage);
  await succeeds(wkgPublishes(new OciWkg({ home: stage.home(), host, env: { [name]: text } }), 'bearer'));
  await refuses(wkgPublishes(new OciWkg({ home: stage.home(), host, env: { [name]: WRONG } }), 'wrong-bearer'), 1);
}

function writeDockerFile(home: string, registry: string, password: string): void {
  mkdirSync(path.join(home, '.docker'), { recursive: true });
  const auth = Buffer.from(`${USER}:${password}`).toString('base64');
  writeFileSync(path.join(home, '.docker', 'config.json'), JSON.stringify({ auths: { [registry]: { auth } } }));
}

async function dockerFile(stage: OciStage): Promise<void> {
  const { text } = await tokenOf(stage);
  const { host } = stage.server;
  for (const [word, password] of Object.entries({ right: text, wrong: WRONG })) {
    const [wkg, oras, crane] = [stage.wkg(), stage.oras(), stage.crane()];
    for (const { home } of [wkg, oras, crane]) writeDockerFile(home, host, password);
    const expected = word === 'right' ? succeeds : refuses;
    await expected(wkgPublishes(wkg, `docker-${word}`));
    await expected(wkg.oci('push', stage.at(`${PLAIN}/docker/${word}:1.0.0`), moduleFile(stage, 'module')));
    await expected(orasPushes(stage, oras, `${LOGGED}/docker-oras-${word}`));
    await expected(
      crane.copy(stage.at(`${PLAIN}/read-by-all:1.0.0`), stage.at(`${LOGGED}/docker-crane-${word}:1.0.0`)),
    );
  }
}

async function orasLogin(stage: OciStage): Promise<void> {
  const { text } = await tokenOf(stage);
  const oras = stage.oras();
  await refuses(oras.login(stage.server.host, USER, WRONG), 1);
  await succeeds(oras.login(stage.server.host, USER, text));
  for (const repository of [`${LOGGED}/oras-login`, `${PLAIN}/oras-login`])
    await succeeds(orasPushes(stage, oras, repository));
  await succeeds(oras.run('logout', stage.server.host));
  await refuses(orasPushes(stage, oras, `${LOGGED}/oras-logout`), 1);
}

async function craneLogin(stage: OciStage): Promise<void> {
  const { text } = await tokenOf(stage);
  const crane = new Crane({ home: stage.home() });
  const copy = (name: string) =>
    crane.copy(stage.at(`${PLAIN}/read-by-all:1.0.0`), stage.at(`${LOGGED}/${name}:1.0.0`));
  await refuses(copy('before-login'), 1);
  await succeeds(crane.login(stage.server.host, USER, text));
  await succeeds(copy('crane-login'));
  await succeeds(crane.run('auth', 'logout', stage.server.host));
  await refuses(copy('after-logout'), 1);
}

async function otherNamespace(stage: OciStage): Promise<void> {
  const oras = stage.oras();
  writeDockerFile(oras.home, stage.server.host, (await tokenOf(stage, ['other'])).text);
  await refuses(orasPushes(stage, oras, `${LOGGED}/not-covered`), 1, REFUSED);
  await succeeds(oras.pull(stage.at(`${LOGGED}/read-by-all:1.0.0`), 'pulled'));
}

/** From the next request on: also where an access token was issued for it before. */
async function revoked(stage: OciStage): Promise<void> {
  const { text, id } = await tokenOf(stage);
  const oras = stage.oras();
  await succeeds(oras.login(stage.server.host, USER, text));
  await succeeds(orasPushes(stage, oras, `${LOGGED}/before-it-was`));
  const authorization = await authorizationFor(stage, text);
  const start = (headers: Readonly<Record<string, string>>) =>
    fetch(new URL(`/v2/${LOGGED}/by-hand/blobs/uploads/`, stage.server.url), { method: 'POST', headers });
  assert.equal((await start({ authorization })).status, 202);
  await revokeToken(stage.server.data, id);
  assert.equal((await start({ authorization })).status, 401);
  await refuses(orasPushes(stage, oras, `${LOGGED}/after-it-was`), 1, REFUSED);
}

/** As the challenge of the server asks for it. */
async function authorizationFor({ server }: OciStage, password: string): Promise<string> {
  const basic = `Basic ${Buffer.from(`${USER}:${password}`).toString('base64')}`;
  const challenge = (await fetch(new URL('/v2/', server.url))).headers.get('www-authenticate') ?? '';
  const [, realm, service] = /^Bearer realm="([^"]+)",service="([^"]+)"/.exec(challenge) ?? [];
  if (realm === undefined || service === undefined) return basic;
  const asked = new URL(realm);
  asked.searchParams.set('service', service);
  asked.searchParams.set('scope', `repository:${LOGGED}/by-hand:pull,push`);
  const answer: unknown = await (await fetch(asked, { headers: { authorization: basic } })).json();
  if (typeof answer === 'object' && answer !== null && 'token' in answer) return `Bearer ${String(answer.token)}`;
  return assert.fail(`no token in ${JSON.stringify(answer)}`);
}
