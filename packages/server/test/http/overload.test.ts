import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as immediate, setTimeout as pause } from 'node:timers/promises';
import { digestOf, isRegistryError, parseRecordId } from '@waybill/protocol';
import { HTTP_LIMITS, type HttpLimits } from '../../src/http/http-limits.ts';
import { silentHttpObserver } from '../../src/http/http-observer.ts';
import { Intake, type Received } from '../../src/http/intake.ts';
import { Publisher, publishBody, releaseOf, wasmOf } from '../publisher.ts';
import { answerTo, openSocket, statusesOf } from '../raw-socket.ts';
import { assertEmpty, assertProblem, RunningRegistry } from '../running-registry.ts';

/** Nothing is published. */
const CLOSED = { publishesMax: 0, publishesAlwaysTaken: 0, publishesWaitingMax: 0 };
const RECORD = parseRecordId(`sha256:${'0'.repeat(64)}`);
const OTHER_RECORD = parseRecordId(`sha256:${'1'.repeat(64)}`);

function intakeOf(limits: Partial<HttpLimits>, lagMs: () => number = () => 0): Intake {
  return new Intake({ limits: { ...HTTP_LIMITS, ...limits }, observer: silentHttpObserver, lagMs });
}

/** A step that is under way until it is told to end. */
class Held {
  readonly done: Promise<void>;
  end: () => void = () => undefined;

  constructor() {
    this.done = new Promise((resolve) => {
      this.end = resolve;
    });
  }
}

function refused(work: Promise<unknown>): Promise<void> {
  return assert.rejects(work, (thrown) => isRegistryError(thrown, 'request/too-many'));
}

async function withRegistry(
  { limits, lagMs }: { limits: Partial<HttpLimits>; lagMs?: () => number },
  work: (registry: RunningRegistry) => Promise<void>,
): Promise<void> {
  const bounds = { limits: { ...HTTP_LIMITS, ...limits }, ...(lagMs === undefined ? {} : { lagMs }) };
  const registry = await RunningRegistry.start({ metrics: '127.0.0.1:0' }, bounds);
  try {
    await work(registry);
  } finally {
    await registry.dispose();
  }
}

const NO_BODY = new Uint8Array();

function whole(body: Uint8Array, signal: AbortSignal | null = null): Received {
  const headers = { 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body: new Uint8Array(body), signal };
  return { request: new Request('http://registry/', init), incoming: undefined, outgoing: undefined };
}

/** A publish that has come as far as it can, and what it was told. */
async function begun(intake: Intake, work: () => Promise<unknown>, signal: AbortSignal | null = null) {
  const outcome = { started: false, settled: 'no' };
  const running = intake
    .publish(whole(NO_BODY, signal), () => {
      outcome.started = true;
      return work();
    })
    .then(
      () => (outcome.settled = 'done'),
      (thrown: unknown) => (outcome.settled = isRegistryError(thrown) ? thrown.code : 'failed'),
    );
  // Reading a body that is there takes a few turns of the event loop, whose number is nobody's promise.
  for (let i = 0; i < 20; i++) await immediate();
  return { outcome, running };
}

test('D12: as many publishes as may are under way, the next wait in line, and who finds no room is refused', async () => {
  const intake = intakeOf({ publishesMax: 2, publishesAlwaysTaken: 2, publishesWaitingMax: 2 });
  const held = [new Held(), new Held(), new Held(), new Held()] as const;
  const all = [];
  for (const { done } of held) all.push(await begun(intake, () => done));
  assert.deepEqual(
    all.map(({ outcome }) => outcome.started),
    [true, true, false, false],
  );
  assert.equal(intake.refusesPublishes, true);
  assert.equal((await begun(intake, async () => undefined)).outcome.settled, 'request/too-many');
  held[1].end();
  await all[1]?.running;
  assert.equal(intake.refusesPublishes, false);
  for (let i = 0; i < 20; i++) await immediate();
  assert.deepEqual(
    all.map(({ outcome }) => outcome.started),
    [true, true, true, false],
  );
  for (const { end } of held) end();
  await Promise.all(all.map(({ running }) => running));
  assert.ok(all.every(({ outcome }) => outcome.settled === 'done'));
  // One that fails gives its place back too.
  for (let i = 0; i < 3; i++) {
    assert.equal((await begun(intake, () => Promise.reject(new Error('no')))).outcome.settled, 'failed');
  }
});

test('D12: who waits for too long, or does not wait any more, leaves the line', async () => {
  const intake = intakeOf({ publishesMax: 1, publishesAlwaysTaken: 1, publishesWaitingMax: 2, publishWaitMs: 60_000 });
  const held = new Held();
  const first = await begun(intake, () => held.done);
  const gone = new AbortController();
  const second = await begun(intake, async () => undefined, gone.signal);
  const third = await begun(intake, async () => undefined);
  gone.abort();
  await second.running;
  assert.deepEqual(second.outcome, { started: false, settled: 'request/too-many' });
  held.end();
  await Promise.all([first.running, third.running]);
  assert.deepEqual(third.outcome, { started: true, settled: 'done' });
  const impatient = intakeOf({ publishesMax: 0, publishesAlwaysTaken: 0, publishWaitMs: 1 });
  const late = await begun(impatient, async () => undefined);
  await late.running;
  assert.deepEqual(late.outcome, { started: false, settled: 'request/too-many' });
});

/** A request whose body is here, with its answer to come. */
function arrived(body: Uint8Array): { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse } {
  const incoming = new IncomingMessage(new Socket());
  incoming.push(body);
  incoming.push(null);
  return { incoming, outgoing: new ServerResponse(incoming) };
}

test('D12: who waits at the door has one place, from its turn until its answer is over', async () => {
  const intake = intakeOf({ publishesMax: 1, publishesAlwaysTaken: 1, publishesWaitingMax: 2 });
  const told: string[] = [];
  const comes = (name: string) => {
    const comer = arrived(NO_BODY);
    intake.admit(comer.incoming, comer.outgoing, (isAdmitted) => told.push(`${name} ${isAdmitted ? 'in' : 'refused'}`));
    return comer;
  };
  const first = comes('first');
  const gone = comes('gone');
  const second = comes('second');
  const late = comes('late');
  assert.deepEqual(told, ['first in', 'late refused']);
  assert.equal(intake.refusesPublishes, true);
  gone.outgoing.emit('close');
  late.outgoing.emit('close');
  assert.equal(intake.refusesPublishes, false);
  const third = comes('third');
  first.outgoing.emit('close');
  await immediate();
  assert.deepEqual(told, ['first in', 'late refused', 'second in']);
  // Its work takes no other place, for there is none.
  const received = { ...whole(NO_BODY), ...second };
  assert.equal(await intake.publish(received, async () => 'worked'), 'worked');
  second.outgoing.emit('close');
  third.outgoing.emit('close');
  // Closed before it came: nobody is told, and no place is taken.
  const closed = arrived(NO_BODY);
  closed.outgoing.destroy();
  intake.admit(closed.incoming, closed.outgoing, () => told.push('closed'));
  for (let i = 0; i < 3; i++) await immediate();
  comes('fourth');
  assert.deepEqual(told.slice(3), ['third in', 'fourth in']);
});

test('D12: those who wait for too long are refused in their order, each in its time', async () => {
  const intake = intakeOf({ publishesMax: 0, publishesAlwaysTaken: 0, publishesWaitingMax: 9, publishWaitMs: 40 });
  const told: { readonly name: string; readonly ms: number }[] = [];
  const startedMs = performance.now();
  const comes = (name: string) => {
    const { incoming, outgoing } = arrived(NO_BODY);
    intake.admit(incoming, outgoing, () => told.push({ name, ms: performance.now() - startedMs }));
  };
  comes('first');
  await pause(20);
  comes('second');
  const secondMs = performance.now() - startedMs;
  while (told.length < 2) await pause(5);
  assert.deepEqual(
    told.map(({ name }) => name),
    ['first', 'second'],
  );
  assert.ok((told[0]?.ms ?? 0) >= 40 && (told[1]?.ms ?? 0) >= secondMs + 39);
});

test('D12: while the event loop is late only as many are taken as always', async () => {
  let lagMs = 0;
  const limits = { publishesMax: 3, publishesAlwaysTaken: 1, publishesWaitingMax: 0, loopLagMs: 100 };
  const intake = intakeOf(limits, () => lagMs);
  const held = new Held();
  const first = await begun(intake, () => held.done);
  const next = async (): Promise<string> => (await begun(intake, async () => undefined)).outcome.settled;
  lagMs = 101;
  assert.equal(await next(), 'request/too-many');
  lagMs = 100;
  assert.equal(await next(), 'done');
  lagMs = Number.POSITIVE_INFINITY;
  held.end();
  await first.running;
  assert.equal(await next(), 'done');
});

test('W15: a publish beyond the bound is told to come back, before its body is read, on a connection that lives', async () => {
  await withRegistry({ limits: CLOSED }, async (registry) => {
    const publisher = new Publisher(registry, 'test:late');
    const record = await publisher.record([publisher.init]);
    const answer = await publisher.post(record);
    assertProblem(answer, 429);
    assert.equal(answer.headers.get('retry-after'), '1');
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    const body = JSON.stringify(publishBody(publisher.name, record.envelope));
    const post = `POST /${publisher.recordPath} HTTP/1.1\r\nhost: registry\r\ncontent-type: application/json`;
    const twice = `${post}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const last = 'GET /healthz HTTP/1.1\r\nhost: registry\r\nconnection: close\r\n\r\n';
    assert.deepEqual(statusesOf(await answerTo(registry, twice + twice + last)), [429, 429, 200]);
    // The body is still to come, and is not waited for.
    const head = `${post}\r\ncontent-length: 100000\r\n\r\n`;
    assert.deepEqual(statusesOf(await answerTo(registry, head)), [429]);
    assert.equal(await registry.metric('waybill_refusals_total{code="request/too-many"}'), 4);
  });
});

test('D12: reads are answered while no publish is', async () => {
  await withRegistry({ limits: { ...CLOSED, uploadsMax: 0 } }, async (registry) => {
    const publisher = new Publisher(registry, 'test:reader');
    const record = await publisher.record([publisher.init]);
    assertProblem(await publisher.post(record), 429);
    assertProblem(await publisher.upload(record.id, wasmOf('x')), 429);
    assert.equal((await registry.get('v1/fetch/checkpoint')).status, 200);
    assert.equal((await registry.post('v1/fetch/logs', { json: { logLength: 1 } })).status, 200);
    assert.equal((await registry.post('v1/proof/consistency', { json: { from: 1, to: 1 } })).status, 200);
    assert.equal((await publisher.status(record.id)).status, 404);
    assert.equal((await registry.get('v1/ledger')).status, 200);
  });
});

test('D12: 500 publishers at once are all taken, however late the event loop runs', async () => {
  await withRegistry({ limits: {}, lagMs: () => Number.POSITIVE_INFINITY }, async (registry) => {
    const posts = Array.from({ length: 500 }, async (_, i) => {
      const publisher = new Publisher(registry, `test:p${i}`);
      return (await publisher.post(await publisher.record([publisher.init]))).status;
    });
    assert.deepEqual(new Set(await Promise.all(posts)), new Set([202]));
  });
});

test('D12: uploads at one time are bounded', async () => {
  await withRegistry({ limits: { uploadsMax: 1 } }, async (registry) => {
    const publisher = new Publisher(registry, 'test:upload');
    const contents = [wasmOf('one'), wasmOf('two')] as const;
    const releases = [releaseOf('1.0.0', contents[0]), releaseOf('2.0.0', contents[1])];
    const record = await publisher.record([publisher.init, ...releases]);
    assert.equal((await publisher.post(record)).status, 202);
    const socket = await openSocket(registry);
    const path = publisher.contentPath(record.id, digestOf(contents[0]));
    socket.write(`POST /${path} HTTP/1.1\r\nhost: registry\r\ncontent-length: ${contents[0].length}\r\n\r\n`);
    await registry.untilMetric('waybill_uploads_in_progress', 1);
    const answer = await publisher.upload(record.id, contents[1]);
    assertProblem(answer, 429);
    assert.equal(answer.headers.get('retry-after'), '1');
    const first = new Promise<string>((resolve) => socket.setEncoding('latin1').once('data', resolve));
    socket.write(contents[0]);
    assert.deepEqual(statusesOf(await first), [201]);
    socket.destroy();
    assertEmpty(await publisher.upload(record.id, contents[1]), 201);
    assert.equal(await registry.metric('waybill_uploads_in_progress'), 0);
    const bytes = contents[0].length + contents[1].length;
    assert.equal(await registry.metric('waybill_upload_bytes_total'), bytes);
  });
});

test('L12: uploads at one time for one record are bounded, and leave room for others', async () => {
  const intake = intakeOf({ uploadsMax: 4, uploadsPerRecordMax: 2 });
  const held = new Held();
  const upload = (recordId: typeof RECORD): Promise<void> =>
    intake.upload(recordId, streaming([]), async () => held.done);
  const running = [upload(RECORD), upload(RECORD)];
  await refused(upload(RECORD));
  running.push(upload(OTHER_RECORD), upload(OTHER_RECORD));
  assert.equal(intake.refusesUploads, true);
  held.end();
  await Promise.all(running);
  assert.equal(intake.refusesUploads, false);
  await upload(RECORD);
});

/** A JSON request whose body comes when it is told to. */
function streaming(chunks: readonly Promise<Uint8Array>[]): Received {
  const waiting = [...chunks];
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await waiting.shift();
      if (next === undefined) controller.close();
      else controller.enqueue(next);
    },
  });
  const headers = { 'content-type': 'application/json' };
  const init: RequestInit & { duplex: 'half' } = { method: 'POST', headers, body, duplex: 'half' };
  return { request: new Request('http://registry/', init), incoming: undefined, outgoing: undefined };
}

test('W16: bytes of large JSON bodies are bounded together, and small bodies pass', async () => {
  const intake = intakeOf({ jsonBytesMax: 1_000, jsonBytesFree: 100 });
  const [held, bytes] = [new Held(), (length: number) => new Uint8Array(length)];
  const large = intake.json(streaming([Promise.resolve(bytes(1_000)), held.done.then(() => bytes(100))]));
  await refused(intake.json(streaming([Promise.resolve(bytes(100)), Promise.resolve(bytes(901))])));
  assert.equal((await intake.json(streaming([Promise.resolve(bytes(100))]))).length, 100);
  held.end();
  assert.equal((await large).length, 1_100);
  assert.equal((await intake.json(streaming([Promise.resolve(bytes(1_100))]))).length, 1_100);
});

test('W5: 200 bodies that drip take no place from others', async () => {
  // Four at a time are all that this registry takes.
  await withRegistry(
    { limits: { publishesMax: 4, publishesAlwaysTaken: 4, publishesWaitingMax: 0 } },
    async (registry) => {
      const sockets = await Promise.all(Array.from({ length: 200 }, () => openSocket(registry)));
      const head = `POST /${new Publisher(registry, 'test:drip').recordPath} HTTP/1.1\r\nhost: registry`;
      for (const socket of sockets) {
        socket.on('error', () => undefined);
        socket.write(`${head}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{`);
      }
      for (const name of ['test:one', 'test:two', 'test:three']) await new Publisher(registry, name).start();
      for (const socket of sockets) socket.destroy();
    },
  );
});

test('W16: the bytes of a record count until it is published, and keep no read out (threats D12)', async () => {
  const intake = intakeOf({ jsonBytesMax: 1_000, jsonBytesFree: 100 });
  const held = new Held();
  const began = new Held();
  const body = new Uint8Array(1_100);
  const large = intake.publish(whole(body), () => {
    began.end();
    return held.done;
  });
  await began.done;
  await refused(intake.publish(whole(body), async () => undefined));
  assert.equal((await intake.json(whole(body))).length, 1_100);
  held.end();
  await large;
  await intake.publish(whole(body), async () => undefined);
});
