import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { COMPONENT, CORE_MODULE, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';

const EXIT_OTHER = 1;
const EXIT_USAGE = 64;
const EXIT_TAMPERED = 65;

let folder: string;
let data: string;
let registry: TestRegistry;
let user: TestUser;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-backup-'));
  data = path.join(folder, 'data');
  registry = await openRegistry({ data });
  user = await openUser();
  await user.ok('key', 'new');
  await publish(registry, 'test:one', CORE_MODULE);
});

after(async () => {
  await user.dispose();
  await rm(folder, { recursive: true });
  await rm(registry.folder, { recursive: true });
});

function publish(to: TestRegistry, name: string, file: string): Promise<string> {
  return user.ok('publish', file, '--package', name, '--version', '1.0.0', '--registry', to.url.href);
}

/** The content file of the core module. */
async function contentFile(): Promise<string> {
  const root = path.join(data, 'content', 'sha256');
  const wanted = await readFile(CORE_MODULE);
  for (const name of await readdir(root, { recursive: true })) {
    const file = path.join(root, name);
    if (name.length > 60 && (await readFile(file)).equals(wanted)) return file;
  }
  return assert.fail('no content');
}

test('the way from a backup to a registry that goes on, command by command', async () => {
  const out = path.join(folder, 'out');
  const busy = await user.run('fsck', '--data', data, '--json');
  assert.deepEqual([busy.code, JSON.parse(busy.stderr).error.code], [EXIT_OTHER, 'storage/busy']);
  const report = JSON.parse(await user.ok('backup', '--data', data, '--keys', out, '--json'));
  assert.deepEqual([report.contents, report.damaged, report.keys.length], [1, [], 3]);
  await publish(registry, 'test:two', COMPONENT);
  await registry.stop();
  assert.deepEqual(JSON.parse(await user.ok('fsck', '--data', data, '--json')).flaws, []);

  // The disk is lost; what was last signed was on another one.
  const lastSigned = path.join(folder, 'last-signed');
  await cp(path.join(data, 'last-signed'), lastSigned);
  const refused = await user.run(
    'serve',
    '--data',
    out,
    '--listen',
    '127.0.0.1:0',
    '--last-signed',
    lastSigned,
    '--json',
  );
  assert.deepEqual([refused.code, JSON.parse(refused.stderr).error.code], [EXIT_OTHER, 'head/rolled-back']);
  assert.match(refused.stderr, /waybill operator adopt/);

  const at = ['--data', out, '--last-signed', lastSigned];
  const seen = JSON.parse(await user.ok('operator', 'adopt', ...at, '--json'));
  assert.deepEqual([seen.head.logLength, seen.adopted], [report.logLength, false]);
  const wrong = await user.run('operator', 'adopt', ...at, '--length', String(seen.lastSigned.logLength), '--json');
  assert.deepEqual([wrong.code, JSON.parse(wrong.stderr).error.code], [EXIT_USAGE, 'usage/invalid']);
  const adopted = JSON.parse(await user.ok('operator', 'adopt', ...at, '--length', String(report.logLength), '--json'));
  assert.equal(adopted.adopted, true);
  const goesOn = await openRegistry({ data: out, lastSigned, listen: registry.url.host });
  // This user has seen the newer head, and is told.
  const fork = await user.run('head', '--registry', goesOn.url.href, '--json');
  assert.deepEqual([fork.code, JSON.parse(fork.stderr).error.code], [EXIT_TAMPERED, 'checkpoint/rollback']);
  await goesOn.stop();
  await rm(goesOn.folder, { recursive: true });
});

test('backup and fsck end with 65 for damaged content, and with 64 for a folder that is no registry', async () => {
  const file = await contentFile();
  const sound = await readFile(file);
  await writeFile(file, 'damaged');
  const out = path.join(folder, 'damaged');
  const backup = await user.run('backup', '--data', data, out, '--json');
  assert.equal(backup.code, EXIT_TAMPERED);
  assert.equal(JSON.parse(backup.stdout).damaged[0].at, `sha256:${path.basename(file)}`);
  const fsck = await user.run('fsck', '--data', data, '--json');
  assert.equal(fsck.code, EXIT_TAMPERED);
  assert.equal(JSON.parse(fsck.stdout).flaws[0].kind, 'content');
  assert.equal((await user.run('fsck', '--data', data, '--no-content')).code, 0);
  await writeFile(file, sound);
  assert.equal((await user.run('fsck', '--data', data)).code, 0);
  for (const command of [
    ['backup', '--data', folder, `${out}-2`],
    ['fsck', '--data', folder],
    ['operator', 'adopt', '--data', folder],
  ]) {
    assert.equal((await user.run(...command)).code, EXIT_USAGE, command.join(' '));
  }
  assert.equal((await user.run('backup', '--data', data, out)).code, EXIT_USAGE);
});

test('repair is offered, done, and leaves nothing to do', async () => {
  const copy = path.join(folder, 'spoiled');
  await cp(data, copy, { recursive: true });
  const store = path.join(copy, 'registry.sqlite');
  // The note of the log of heads is one text in the file: another letter in it is no other structure.
  const text = (await readFile(store)).toString('latin1');
  const at = text.lastIndexOf('/heads\n') - 1;
  await writeFile(store, Buffer.from(`${text.slice(0, at)}#${text.slice(at + 1)}`, 'latin1'));
  const named = await user.run('fsck', '--data', copy);
  assert.equal(named.code, EXIT_TAMPERED);
  assert.match(named.stdout, /waybill fsck --repair/);
  const repaired = JSON.parse(await user.ok('fsck', '--data', copy, '--repair', '--json'));
  assert.deepEqual([repaired.flaws.length, repaired.repaired[0].kind], [0, 'note']);
  assert.match(await user.ok('fsck', '--data', copy), /clean/);
});

test('the commands are completed, and their help has examples', async () => {
  for (const [word, ...expected] of [
    ['', 'backup', 'fsck'],
    ['operator', 'adopt'],
  ] as const) {
    const words = word === '' ? [''] : [word, ''];
    const proposals = (await user.ok('__complete', ...words)).split('\n');
    for (const name of expected) assert.ok(proposals.includes(name), name);
  }
  assert.match(await user.ok('backup', '--help'), /waybill backup backups\/today/);
  assert.match(await user.ok('fsck', '--help'), /waybill fsck --data \/srv\/waybill --repair/);
  assert.match(
    await user.ok('operator', 'adopt', '--help'),
    /waybill operator adopt --data \/srv\/waybill --length 1034/,
  );
});
