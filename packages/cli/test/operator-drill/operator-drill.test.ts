import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { packageLogId, wargApi } from '@waybill/protocol';
import { CORE_MODULE, openUser, type CommandOutcome, type TestRegistry, type TestUser } from '../registry.ts';
import { ATTEMPTS, carried, OTHER_HISTORIES, type Attempt } from './attempts.ts';
import { sampleOf } from '../scale.ts';
import { logOf, type History, type HistoryRecord, type ServedHistory } from '../registry-history.ts';
import { COPY, NEW, OLD, stealRegistry, type StolenRegistry } from './stolen-registry.ts';

/*
 * The operator drill: database, content, the operator's key and the keys of the logs in one hand, against packages whose
 * keys are their author's. Forged histories pass no admission: the code that commits hashes and signs them as they are, so
 * that every tree, map, checkpoint and proof is right, and only what is in the records can give them away.
 */

const EXIT_TAMPERED = 65;
/** Each row starts a server and a client of its own. */
const SAMPLE = 12;

let stolen: StolenRegistry;

before(async () => {
  stolen = await stealRegistry();
});
after(() => stolen.dispose());

async function get(user: TestUser, name: string, registry: TestRegistry): Promise<CommandOutcome> {
  return user.run('get', name, '--registry', registry.url.href, '-o', 'out.wasm', '--json');
}

async function assertGot(user: TestUser, name: string, registry: TestRegistry, version: string): Promise<void> {
  const { code, stdout, stderr } = await get(user, name, registry);
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).version, version);
}

type Named = Pick<Attempt, 'wanted' | 'code' | 'detail'>;

/** Caught, named, kept as evidence; and neither a file nor anything to be believed later was written. */
async function assertNamed(user: TestUser, { wanted, code, detail }: Named, registry: TestRegistry): Promise<void> {
  const believed = await believedBy(user);
  const outcome = await get(user, wanted, registry);
  assert.equal(outcome.code, EXIT_TAMPERED, outcome.stderr);
  const { error } = JSON.parse(outcome.stderr);
  const said = Object.fromEntries(Object.keys(detail).map((member) => [member, error.detail[member]]));
  assert.deepEqual([error.code, said], [code, detail], outcome.stderr);
  assert.ok(JSON.parse(await readFile(error.detail.evidence, 'utf8')).exchanges.length > 0);
  assert.deepEqual(await believedBy(user), believed);
}

/** Every file of the user's, but evidence, and the logs that are replayed each time and dropped where they may be at fault. */
async function believedBy({ home }: TestUser): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(home, { recursive: true, withFileTypes: true });
  const files = entries.filter(
    ({ parentPath, name }) => path.basename(parentPath) !== 'logs' && !name.startsWith('evidence-'),
  );
  const texts = files
    .filter((file) => file.isFile())
    .map(async (file) => {
      const place = path.join(file.parentPath, file.name);
      return [place, await readFile(place, 'latin1')] as const;
    });
  return new Map(await Promise.all(texts));
}

async function withServed(
  history: History,
  use: (registry: TestRegistry) => Promise<void>,
  served?: ServedHistory,
): Promise<void> {
  const registry = await stolen.serve(history, served);
  try {
    await use(registry);
  } finally {
    await registry.dispose();
  }
}

async function withUser(use: (user: TestUser) => Promise<void>): Promise<void> {
  const user = await openUser();
  try {
    await use(user);
  } finally {
    await user.dispose();
  }
}

test('what the author has published is believed, also where the attacker has laid it down again', () =>
  withServed(stolen.history, (again) =>
    withUser(async (user) => {
      for (const registry of [stolen.honest, again]) {
        for (const name of [OLD, NEW]) await assertGot(user, name, registry, '1.0.0');
        assert.deepEqual(await readFile(user.file('out.wasm')), await readFile(CORE_MODULE));
      }
    }),
  ));

for (const attempt of sampleOf(ATTEMPTS, SAMPLE)) {
  test(`L2: ${attempt.title}: a client that has never been here names it`, async () =>
    withServed(await attempt.forge(stolen), (forged) =>
      withUser(async (user) => {
        await assertNamed(user, attempt, forged);
        assert.ok(!existsSync(user.file('out.wasm')));
      }),
    ));
}

for (const attempt of OTHER_HISTORIES) {
  test(`T2: ${attempt.title}: a client that has seen the last head names it`, () =>
    withUser(async (user) => {
      let address = '';
      await withServed(stolen.history, async (honest) => {
        address = honest.url.host;
        await assertGot(user, attempt.wanted, honest, '1.0.0');
      });
      await withServed(await attempt.forge(stolen), (forged) => assertNamed(user, attempt, forged), {
        listen: address,
      });
    }));
}

test('L4: a map that passes over a yank in the registry log: who has kept that log names it, who comes anew cannot', () =>
  withUser(async (user) => {
    let listen = '';
    await withServed(stolen.history, async (honest) => {
      listen = honest.url.host;
      await assertGot(user, OLD, honest, '1.0.0');
    });
    const named = { wanted: OLD, code: 'log/incomplete', detail: { logId: packageLogId(OLD) } } as const;
    await withServed(
      stolen.history,
      async (forged) => {
        // Twice: nothing that it has kept is forgotten over the first refusal.
        await assertNamed(user, named, forged);
        await assertNamed(user, named, forged);
        await withUser((another) => assertGot(another, OLD, forged, '1.1.0'));
      },
      { listen, passedOver: packageLogId(OLD) },
    );
  }));

test('L4: what nobody can tell who comes for the first time: the tail is gone, and a yank with it', () =>
  withServed(stolen.history.slice(0, -1), (forged) => withUser((user) => assertGot(user, OLD, forged, '1.1.0'))));

test('P6: records of version 0 do not name their package: all of them stand under another name as well', () =>
  withServed(carried(stolen.history, { from: logOf(stolen.history, OLD), to: COPY }), (forged) =>
    withUser((user) => assertGot(user, COPY, forged, '1.0.0')),
  ));

const POSTED = ATTEMPTS.filter(({ status }) => status !== null);

test(`P1: posted instead, each of the ${POSTED.length} is refused, and the log stays as it is`, async () => {
  for (const { title, forge, status } of POSTED) {
    const forged = await forge(stolen);
    const added = forged.filter((record) => !stolen.history.includes(record));
    assert.equal(added.length, 1, title);
    for (const record of added) assert.equal(await statusOfPost(record), status, title);
  }
  assert.equal(await lengthOf(stolen.honest), stolen.history.length);
});

async function statusOfPost({ logId, name, envelope }: HistoryRecord): Promise<number> {
  const response = await fetch(new URL(`v1/package/${logId}/record`, stolen.honest.url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(wargApi.publishBody(name ?? assert.fail(), envelope)),
  });
  await response.arrayBuffer();
  return response.status;
}

async function lengthOf({ url }: TestRegistry): Promise<number> {
  const response = await fetch(new URL('v1/fetch/checkpoint', url));
  return wargApi.decodeSignedCheckpoint(new Uint8Array(await response.arrayBuffer())).contents.logLength;
}
