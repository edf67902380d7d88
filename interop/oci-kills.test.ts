import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { succeeds } from './command.ts';
import { OciPushers } from './oci-pushers.ts';
import { LOGGED, PLAIN, startOciWaybill, type OciServer } from './oci-registry.ts';
import { OciWire, sha256, type Pushed } from './oci-wire.ts';
import { peerTest, ROOT } from './peers.ts';
import { newWaybillPerson, type WaybillPerson } from './person.ts';
import { runCommand } from './command.ts';
import { freePort } from './registry.ts';
import { newHome, openFolder } from './scene.ts';

const KILLS = Number(process.env['WAYBILL_OCI_KILLS'] ?? (process.env['WAYBILL_TEST_SCALE'] === 'full' ? 200 : 10));
/** A kill comes so long after the server answered. */
const LOAD_MS_MAX = 1_500;
/** One in so many kills hits a server that is starting, so long after its process was started. */
const KILLS_TO_START_KILL = 5;
const START_MS_MAX = 600;
const RESUMED_BYTES = 300_000;
const WAYBILL = path.join(ROOT, 'packages', 'cli', 'bin', 'waybill.mjs');

peerTest(`kill -9 at ${KILLS} random moments loses no push that was answered`, ['wkg', 'oras'], async (t) => {
  const folder = openFolder(t);
  const registry = new KilledRegistry(folder, await freePort());
  t.after(() => registry.end());
  for (let kills = 0; kills < KILLS; kills++) {
    if (kills % KILLS_TO_START_KILL === KILLS_TO_START_KILL - 1) await registry.killStarting();
    await registry.killWorking();
  }
  await registry.checkEverything();
  t.diagnostic(`${KILLS} kills, ${registry.acknowledged} pushes acknowledged, ${registry.resumed} uploads resumed`);
});

/** An upload that the kill breaks off, and how much of it was answered. */
interface BrokenUpload {
  readonly repository: string;
  readonly bytes: Uint8Array;
  readonly location: string;
  readonly answered: number;
}

/** One registry, always at the same address, that is killed again and again. */
class KilledRegistry {
  readonly #folder: string;
  readonly #data: string;
  readonly #listen: string;
  readonly #pushers: OciPushers;
  /** Remembers the heads that it saw: a log that does not continue them is not believed. */
  #watcher: WaybillPerson | null = null;
  #server: OciServer | null = null;
  #broken: BrokenUpload | null = null;
  readonly #checked = new Set<string>();
  resumed = 0;

  constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#data = path.join(folder, 'data');
    this.#listen = `127.0.0.1:${port}`;
    this.#pushers = new OciPushers({ homes: folder, host: this.#listen });
  }

  get acknowledged(): number {
    return this.#pushers.acknowledged.length;
  }

  async killStarting(): Promise<void> {
    const ending = new AbortController();
    const starting = startOciWaybill(this.#data, ['--listen', this.#listen], ending.signal).catch(() => null);
    await wait(Math.random() * START_MS_MAX);
    ending.abort();
    await (await starting)?.kill();
  }

  async killWorking(): Promise<void> {
    const wire = await this.#start();
    await this.#check(wire);
    const ending = new AbortController();
    const working = Promise.allSettled(this.#pushers.run(wire, ending.signal));
    this.#broken = await beginUpload(wire);
    await wait(Math.random() * LOAD_MS_MAX);
    ending.abort();
    await this.#server?.kill();
    for (const outcome of await working) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #start(): Promise<OciWire> {
    this.#server = await startOciWaybill(this.#data, ['--listen', this.#listen]);
    this.#watcher ??= await newWaybillPerson(this.#server.url, newHome(this.#folder));
    return new OciWire(this.#server.url);
  }

  async #check(wire: OciWire): Promise<void> {
    await this.#checkTags(wire);
    for (const pushed of this.#pushers.takeNew()) await checkAcknowledged(wire, pushed);
    await this.#checkLog();
    await this.#resume(wire);
    checkFolder(this.#data);
  }

  /** Whatever has a tag is whole, whether its push was answered or not. */
  async #checkTags(wire: OciWire): Promise<void> {
    for (const repository of await wire.repositories()) {
      for (const tag of await wire.tags(repository)) {
        if (this.#checked.has(`${repository}:${tag}`)) continue;
        await wire.readWhole(repository, tag);
        this.#checked.add(`${repository}:${tag}`);
      }
    }
  }

  /** Every package that was pushed to, as its newest head proves it. */
  async #checkLog(): Promise<void> {
    const packages = new Set(
      this.#pushers.acknowledged
        .filter(({ repository }) => repository.startsWith(`${LOGGED}/`))
        .map(({ repository }) => repository.replace('/', ':')),
    );
    if (packages.size > 0) await succeeds((this.#watcher ?? assert.fail('nobody watches')).run('head', ...packages));
  }

  /** What was answered of it is still there. */
  async #resume(wire: OciWire): Promise<void> {
    if (this.#broken === null) return;
    const { repository, bytes, location, answered } = this.#broken;
    this.#broken = null;
    const place = await wire.send('GET', location);
    assert.equal(place.status, 204, `an upload of ${answered} bytes is gone`);
    const kept = Number(/^(?:bytes=)?0-([0-9]+)$/.exec(place.headers.get('range') ?? '')?.[1]) + 1;
    assert.ok(kept >= answered, `${kept} of ${answered} bytes are left`);
    await wire.finish(await wire.append(location, bytes.subarray(kept)), sha256(bytes));
    assert.equal(sha256(await wire.bytes(`/v2/${repository}/blobs/${sha256(bytes)}`)), sha256(bytes));
    this.resumed++;
  }

  async checkEverything(): Promise<void> {
    const wire = await this.#start();
    await this.#check(wire);
    this.#checked.clear();
    await this.#checkTags(wire);
    for (const pushed of this.#pushers.acknowledged) await checkAcknowledged(wire, pushed);
    for (const pushed of this.#pushers.acknowledged.slice(-1)) await this.#getFromLog(pushed);
    await this.#server?.stop();
    checkFolder(this.#data);
    checkBlobs(path.join(this.#data, 'oci', 'blobs'));
    const args = [WAYBILL, 'fsck', '--data', this.#data, '--content'];
    await succeeds(runCommand(process.execPath, args, { home: newHome(this.#folder) }));
  }

  async #getFromLog({ repository, tag, layerDigest }: Pushed): Promise<void> {
    if (!repository.startsWith(`${LOGGED}/`)) return;
    const reader = this.#watcher ?? assert.fail('nobody watches');
    const file = path.join(reader.home, 'received.wasm');
    await succeeds(reader.download(repository.replace('/', ':'), tag, file));
    assert.equal(sha256(readFileSync(file)), layerDigest);
  }

  async end(): Promise<void> {
    await this.#server?.kill();
  }
}

/** The client may not know the digest of the manifest that it has pushed: the layer is what counts. */
async function checkAcknowledged(wire: OciWire, pushed: Pushed): Promise<void> {
  const found = await wire.readWhole(pushed.repository, pushed.tag);
  assert.equal(found.layerDigest, pushed.layerDigest, `${pushed.repository}:${pushed.tag}`);
  if (pushed.manifestDigest !== '') assert.equal(found.manifestDigest, pushed.manifestDigest);
}

async function beginUpload(wire: OciWire): Promise<BrokenUpload> {
  const repository = `${PLAIN}/broken`;
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const whole = Buffer.concat(Array.from({ length: Math.ceil(RESUMED_BYTES / bytes.length) }, () => bytes));
  // Of its own each time: a blob that is there would not be missed.
  whole.write(randomUUID());
  const answered = Math.floor(whole.length / 3);
  const location = await wire.append(await wire.startUpload(repository), whole.subarray(0, answered));
  return { repository, bytes: whole, location, answered };
}

/** Of temporary files there are unfinished uploads alone: a file of bytes, and what is known of them. */
function checkFolder(data: string): void {
  const uploads = path.join(data, 'oci', 'uploads');
  const known = new Set(existsSync(uploads) ? readdirSync(uploads) : []);
  for (const name of known) {
    assert.match(name, /^[0-9a-f-]{36}(?:\.json)?$/);
    if (!name.endsWith('.json')) assert.ok(known.has(`${name}.json`), `nobody knows what ${name} is`);
  }
  const strange = readdirSync(data, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(?:tmp|new|part)/.test(name),
  );
  assert.deepEqual(strange, []);
}

function checkBlobs(root: string): void {
  for (const file of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const [algorithm = ''] = path.relative(root, file.parentPath).split(path.sep);
    const bytes = readFileSync(path.join(file.parentPath, file.name));
    assert.equal(createHash(algorithm).update(bytes).digest('hex'), file.name, 'a torn file is visible');
  }
}
