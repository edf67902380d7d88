// The verdict on one release of version 1, by how many grants the log has and how deep the one is that it is done under: decoding
// apart, signatures apart, and with the log moving on, as that must not cost what the log holds.
import { spawnSync } from 'node:child_process';
import {
  decodeSignedRecord,
  digestOf,
  emptyLogState,
  encodeRecordContents,
  formatPrivateKey,
  GRANT_DEPTH_MAX,
  holderOfKey,
  judgeRecord,
  NO_PREDICATES,
  PACKAGE_LOG,
  packageLogId,
  parseGrantId,
  parseJosePrivateKey,
  parsePackageName,
  parseVersion,
  privateKeyFromRandom,
  utf8,
} from '@waybill/protocol';
import { median } from './servers.mjs';

const GRANTS = [100, 1_000, 10_000];
const DEPTHS = [1, GRANT_DEPTH_MAX];
const HOME = { log: packageLogId(parsePackageName('bench:authority')), origin: 'registry.example' };
const NARROWED = {
  ...NO_PREDICATES,
  versionMin: parseVersion('1.0.0'),
  versionMax: parseVersion('2.0.0'),
  notAfter: 4_000_000_000n,
};
/** Records judged in one turn of a log, and turns of each. The first ones warm up, and do not count. */
const TURN_RECORDS = 250;
const TURNS = 60;
const WARM_TURNS = 20;

/** Microseconds by depth and number of grants, medians of `runs` runs, each in a process of its own; in a run the logs take turns. */
export function benchAuthority({ runs, quick }) {
  const args = quick ? ['100,300', '4', '1'] : [GRANTS.join(','), String(TURNS), String(WARM_TURNS)];
  const found = Array.from({ length: runs }, () => runHere(args));
  return found[0].map(({ depth, grants }, i) => ({
    depth,
    grants,
    us: median(found.map((rows) => rows[i].us)),
    ratio: median(found.map((rows) => rows[i].us / rows.find((row) => row.depth === depth).us)),
  }));
}

/** A table in Markdown. */
export function authorityTable(rows) {
  return [
    '| depth of the grant | grants in the log | µs | of that with the fewest |',
    '|---|---|---|---|',
    ...rows.map(
      ({ depth, grants, us, ratio }) =>
        `| ${depth} | ${grants.toLocaleString('en')} | ${us.toFixed(2)} | ${ratio.toFixed(2)} |`,
    ),
    '',
    'One record with one release, judged and accepted, without decoding it and without its signature. Each grant has a holder and ' +
      'predicates of its own, and each record is done under another grant than the one before.',
  ].join('\n');
}

function runHere(args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [import.meta.filename, '--measure', ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`measuring verdicts failed: ${stderr}`);
  return JSON.parse(stdout);
}

function measureAll(sizes, turns, warmTurns) {
  const keys = Array.from({ length: Math.max(...sizes) }, newKey);
  const logs = DEPTHS.flatMap((depth) => sizes.map((grants) => new GrantedLog({ depth, grants, keys })));
  const took = logs.map(() => []);
  for (let turn = 0; turn < turns; turn++) {
    // Another one goes first each time: what one turn leaves to the collector of garbage is not always for the same to pay.
    for (let i = 0; i < logs.length; i++) {
      const at = (turn + i) % logs.length;
      const records = logs[at].nextReleases(turn);
      const us = logs[at].judge(records);
      if (turn >= warmTurns) took[at].push(us);
    }
  }
  return logs.map(({ depth, grants }, i) => ({ depth, grants, us: median(took[i]) }));
}

function newKey() {
  const key = privateKeyFromRandom(crypto.getRandomValues(new Uint8Array(32)));
  return key === null ? newKey() : parseJosePrivateKey(formatPrivateKey(key)).publicKey;
}

/** A log with as many grants, in chains as deep as asked for, and releases under the ends of the chains. */
class GrantedLog {
  depth;
  grants;
  #keys;
  #state = emptyLogState(HOME);
  #last = null;
  #seconds = 1_700_000_000n;
  /** The deepest grant of each chain, and who holds it. */
  #ends = [];

  constructor({ depth, grants, keys }) {
    this.depth = depth;
    this.grants = grants;
    this.#keys = keys;
    this.#accept(this.#record([{ type: 'root', holder: holderOfKey(keys[0]) }], keys[0]));
    this.#grow();
    if (this.#state.grants.size !== grants) throw new Error(`${this.#state.grants.size} grants, not ${grants}`);
  }

  /** One level after another; a grant is known by its record, so what stands under it comes in a later one. */
  #grow() {
    const chains = Math.floor(this.grants / (this.depth + 1));
    let made = 0;
    let above = Array.from({ length: chains }, () => ({ under: null, key: this.#keys[0] }));
    for (let level = 0; level <= this.depth; level++) {
      above = above.map(({ under, key: by }) => this.#grant({ under, by, key: this.#keys[made++ % this.grants] }));
    }
    this.#ends = above;
    // What is left over stands under the root.
    while (made < this.grants) this.#grant({ under: null, by: this.#keys[0], key: this.#keys[made++] });
  }

  #grant({ under, by, key }) {
    const entry = {
      type: 'delegate',
      holder: holderOfKey(key),
      permissions: ['grant', 'release'],
      predicates: NARROWED,
      under,
    };
    const record = this.#record([entry], by);
    this.#accept(record);
    return { under: parseGrantId(`${record.id}/0`), key };
  }

  /** The releases of one turn, each following the one before it. */
  nextReleases(turn) {
    return Array.from({ length: TURN_RECORDS }, (_, i) => {
      // A stride that is prime to most numbers: neighbours in the log are not asked for one after another.
      const { under, key } = this.#ends[((turn * TURN_RECORDS + i) * 7_919) % this.#ends.length];
      const claim = { mediaType: 'application/wasm', size: 8 };
      const content = digestOf(utf8(`${turn} ${i}`));
      return this.#record([{ type: 'release', version: parseVersion(`1.${turn}.${i}`), content, claim, under }], key);
    });
  }

  /** Microseconds for each. */
  judge(records) {
    const startedMs = performance.now();
    for (const record of records) this.#state = judgeRecord(PACKAGE_LOG, this.#state, record).draft.accept();
    return ((performance.now() - startedMs) * 1_000) / records.length;
  }

  #accept(record) {
    this.#state = judgeRecord(PACKAGE_LOG, this.#state, record).draft.accept();
  }

  /** As if signed: signatures are owed, and nobody asks for them here. */
  #record(entries, { id: keyId }) {
    const time = { seconds: this.#seconds++, nanos: 0 };
    const binding = { ...HOME, signers: [keyId] };
    const contents = encodeRecordContents(PACKAGE_LOG, { prev: this.#last, time, entries, annotations: [], binding });
    const record = decodeSignedRecord(PACKAGE_LOG, { contents, keyId, signature: 'jws:none', cosignatures: [] });
    this.#last = record.id;
    return record;
  }
}

if (process.argv[1] === import.meta.filename && process.argv[2] === '--measure') {
  const [sizes, turns, warmTurns] = process.argv.slice(3);
  console.log(JSON.stringify(measureAll(sizes.split(',').map(Number), Number(turns), Number(warmTurns))));
}
