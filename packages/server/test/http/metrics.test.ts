import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RegistryMetrics } from '../../src/metrics/registry-metrics.ts';
import { Publisher } from '../publisher.ts';
import { answerTo } from '../raw-socket.ts';
import { metricOf, RunningRegistry } from '../running-registry.ts';

let registry: RunningRegistry;

before(async () => {
  registry = await RunningRegistry.start({ metrics: '127.0.0.1:0' });
});
after(() => registry.dispose());

const SAMPLE =
  /^([a-zA-Z_][a-zA-Z0-9_]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*",?)+\})? (?:NaN|[+-]Inf|-?[0-9][0-9.e+-]*)$/;
const COMMENT = /^# (?:HELP [a-zA-Z0-9_]+ .+|TYPE [a-zA-Z0-9_]+ (?:counter|gauge|histogram|summary))$/;

test('the exposition is in the text format, and each series is there once', async () => {
  await new Publisher(registry, 'test:format').start();
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '');
  for (const line of lines) assert.match(line, line.startsWith('#') ? COMMENT : SAMPLE);
  const series = lines.filter((line) => !line.startsWith('#')).map((line) => line.slice(0, line.lastIndexOf(' ')));
  assert.equal(new Set(series).size, series.length);
  assert.ok(series.some((name) => name.startsWith('nodejs_eventloop_lag_')));
});

test('a publish is counted from the upload to the head', async () => {
  const earlier = await registry.metrics();
  const publisher = new Publisher(registry, 'test:counted');
  await publisher.start();
  await assert.rejects(publisher.start());
  const later = await registry.metrics();
  const grown = (series: string): number => metricOf(later, series) - metricOf(earlier, series);
  const route = '/v1/package/:logId/record';
  assert.equal(grown('waybill_batch_records_sum'), 1);
  assert.equal(grown('waybill_batch_records_count'), 1);
  assert.equal(grown('waybill_heads_signed_total{cause="records"}'), 1);
  assert.equal(grown('waybill_commit_seconds_count{phase="grow"}'), 1);
  assert.equal(grown('waybill_commit_seconds_count{phase="store"}'), 1);
  assert.equal(grown('waybill_head_records'), 1);
  assert.equal(grown(`waybill_http_requests_total{method="POST",route="${route}",status="202"}`), 1);
  assert.equal(grown(`waybill_http_requests_total{method="POST",route="${route}",status="422"}`), 1);
  assert.equal(grown(`waybill_http_request_seconds_count{method="POST",route="${route}"}`), 2);
  assert.equal(grown('waybill_refusals_total{code="record/init-again"}'), 1);
  assert.ok(grown('waybill_upload_bytes_total') > 0);
  assert.equal(metricOf(later, 'waybill_uploads_in_progress'), 0);
  assert.equal(metricOf(later, 'waybill_queue_records'), 0);
});

test('uploads by OCI clients are counted until they are finished or cancelled', async () => {
  const unfinished = 'waybill_oci_uploads_unfinished';
  assert.equal(await registry.metric(unfinished), 0);
  const { headers } = await registry.post('v2/test/counted/blobs/uploads/');
  assert.equal(await registry.metric(unfinished), 1);
  await registry.send('DELETE', headers.get('location') ?? '');
  assert.equal(await registry.metric(unfinished), 0);
});

test('W16: what somebody sends never becomes a label', async () => {
  const count = async (): Promise<number> => (await registry.metrics()).split('\nwaybill_').length;
  const probe = async (word: string): Promise<void> => {
    for (const path of [word, `v1/${word}`, `v1/content/${word}`, `v1/package/${word}/record`, `content/${word}`]) {
      await registry.get(path);
      await registry.post(path, { json: {} });
    }
    await answerTo(registry, `PROPFIND /${word} HTTP/1.1\r\nhost: registry\r\nconnection: close\r\n\r\n`);
  };
  await probe('first');
  const lines = await count();
  for (const word of ['secret-one', 'secret-two', 'secret-three']) await probe(word);
  assert.equal(await count(), lines);
  assert.ok(!(await registry.metrics()).includes('secret'));
});

/** What listens in this process, over all addresses. */
function listeners(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length;
}

test('W18: nothing of the inside is served on the public port, and no other port is open', async () => {
  const others = listeners();
  const plain = await RunningRegistry.start();
  try {
    assert.equal(listeners(), others + 1);
    for (const path of ['metrics', 'debug', 'debug/pprof', 'admin', 'status', 'env', 'api/v1/metrics', 'v1/metrics']) {
      assert.equal((await plain.get(path)).status, 404, path);
      assert.equal((await registry.get(path)).status, 404, path);
    }
    await assert.rejects(plain.metrics());
  } finally {
    await plain.dispose();
  }
});

test('W18: the port of the metrics serves nothing else', async () => {
  const url = registry.metricsUrl;
  for (const [method, path, status] of [
    ['GET', '/metrics', 200],
    ['HEAD', '/metrics', 200],
    ['POST', '/metrics', 404],
    ['GET', '/metrics/', 404],
    ['GET', '/', 404],
    ['GET', '/healthz', 404],
    ['GET', '/v1/fetch/checkpoint', 404],
  ] as const) {
    assert.equal((await fetch(new URL(path, url), { method })).status, status, `${method} ${path}`);
  }
  assert.match(
    (await fetch(new URL('/metrics', url))).headers.get('content-type') ?? '',
    /^text\/plain; version=0\.0\.4/,
  );
});

test('the head is asked for at each scrape', async () => {
  const metrics = new RegistryMetrics();
  let nowMs = 1_700_000_030_000;
  let head: Parameters<RegistryMetrics['watchHead']>[0] = () => null;
  metrics.watchHead(
    () => head(),
    () => nowMs,
  );
  assert.equal(metricOf(await metrics.exposition(), 'waybill_head_records'), 0);
  head = () => ({ logLength: 7, timestamp: 1_700_000_000 });
  assert.equal(metricOf(await metrics.exposition(), 'waybill_head_records'), 7);
  assert.equal(metricOf(await metrics.exposition(), 'waybill_head_age_seconds'), 30);
  nowMs += 10_000;
  assert.equal(metricOf(await metrics.exposition(), 'waybill_head_age_seconds'), 40);
});
