import type { ErrorCode } from '@waybill/protocol';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Observer } from '../core/observer.ts';
import type { Clock } from '../core/ports.ts';
import type { CutReason, HttpObserver } from '../http/http-observer.ts';

const BATCH_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];
const SECONDS_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/** What of a head is shown; the timestamp in Unix seconds. */
export interface ServedHead {
  readonly logLength: number;
  readonly timestamp: number;
}

type Batch = Parameters<Observer['batchCommitted']>[0];
type Answered = Parameters<HttpObserver['requestAnswered']>[0];

/**
 * What an operator can watch, in Prometheus's terms. Every label's values are few and decided here or in the code: routes
 * are templates, codes are those of the registry.
 */
export class RegistryMetrics implements HttpObserver {
  readonly #registry = new Registry();
  readonly #core = coreMetrics(this.#registry);
  readonly #traffic = trafficMetrics(this.#registry);

  constructor() {
    // Process metrics, and the lag of the event loop as nodejs_eventloop_lag_….
    collectDefaultMetrics({ register: this.#registry });
  }

  /** Called once. `head` is the head that is served, asked for at each scrape; `clock` is in Unix milliseconds. */
  watchHead(head: () => ServedHead | null, clock: Clock): void {
    headMetrics(this.#registry, head, clock);
  }

  /** Called once. `count` is asked at each scrape: uploads by OCI clients that nobody has finished. */
  watchUnfinished(count: () => number): void {
    const gauge = gaugesIn(this.#registry);
    gauge('waybill_oci_uploads_unfinished', 'Uploads by OCI clients that are begun and not finished', count);
  }

  /** Content type of {@link RegistryMetrics.exposition}. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All of it in the text format. */
  exposition(): Promise<string> {
    return this.#registry.metrics();
  }

  queueLength(records: number): void {
    this.#core.queue.set(records);
  }

  batchCommitted({ records, growMs, storeMs }: Batch): void {
    const { heads, batchRecords, commitSeconds } = this.#core;
    heads.inc({ cause: records === 0 ? 'refresh' : 'records' });
    if (records > 0) batchRecords.observe(records);
    commitSeconds.observe({ phase: 'grow' }, growMs / 1_000);
    commitSeconds.observe({ phase: 'store' }, storeMs / 1_000);
  }

  refused(code: ErrorCode): void {
    this.#traffic.refusals.inc({ code });
  }

  uploadStarted(): void {
    this.#traffic.uploads.inc();
  }

  uploadEnded(bytes: number): void {
    this.#traffic.uploads.dec();
    this.#traffic.uploadBytes.inc(bytes);
  }

  contentDamaged(): void {
    this.#core.contentDamaged.inc();
  }

  requestAnswered({ method, route, status, seconds }: Answered): void {
    this.#traffic.requests.inc({ method, route, status });
    this.#traffic.requestSeconds.observe({ method, route }, seconds);
  }

  connectionCut(reason: CutReason): void {
    this.#traffic.cuts.inc({ reason });
  }
}

function coreMetrics(register: Registry) {
  const registers = [register];
  return {
    queue: new Gauge({ name: 'waybill_queue_records', help: 'Records that wait to be sequenced', registers }),
    batchRecords: new Histogram({
      name: 'waybill_batch_records',
      help: 'Records made durable by one commit; the sum counts all of them',
      buckets: BATCH_BUCKETS,
      registers,
    }),
    commitSeconds: new Histogram({
      name: 'waybill_commit_seconds',
      help: 'Time of a commit: grow is hashing and signing, store is making it durable',
      labelNames: ['phase'] as const,
      buckets: SECONDS_BUCKETS,
      registers,
    }),
    contentDamaged: new Counter({
      name: 'waybill_content_damaged_total',
      help: 'Times that kept content was found damaged',
      registers,
    }),
    heads: new Counter({
      name: 'waybill_heads_signed_total',
      help: 'Heads signed for new records, and afresh for want of them',
      labelNames: ['cause'] as const,
      registers,
    }),
  };
}

function trafficMetrics(register: Registry) {
  const registers = [register];
  return {
    uploads: new Gauge({ name: 'waybill_uploads_in_progress', help: 'Uploads under way', registers }),
    uploadBytes: new Counter({
      name: 'waybill_upload_bytes_total',
      help: 'Bytes of ended uploads, kept or not',
      registers,
    }),
    refusals: new Counter({
      name: 'waybill_refusals_total',
      help: 'Requests refused or failed, by error code',
      labelNames: ['code'] as const,
      registers,
    }),
    requests: new Counter({
      name: 'waybill_http_requests_total',
      help: 'Requests answered, by the template of their route',
      labelNames: ['method', 'route', 'status'] as const,
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'waybill_http_request_seconds',
      help: 'Time from the headers of a request to the beginning of its answer',
      labelNames: ['method', 'route'] as const,
      buckets: SECONDS_BUCKETS,
      registers,
    }),
    cuts: new Counter({
      name: 'waybill_connections_cut_total',
      help: 'Connections closed by the server in the middle of something',
      labelNames: ['reason'] as const,
      registers,
    }),
  };
}

/** Each registers itself, and is asked for its value at each scrape. */
function gaugesIn(register: Registry): (name: string, help: string, value: () => number) => void {
  const registers = [register];
  return (name, help, value) => {
    void new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  };
}

function headMetrics(register: Registry, head: () => ServedHead | null, clock: Clock): void {
  const gauge = gaugesIn(register);
  gauge('waybill_head_records', 'Records of the served head', () => head()?.logLength ?? 0);
  gauge('waybill_head_age_seconds', 'Time since the served head was signed', () => {
    const signedAt = head()?.timestamp;
    return signedAt === undefined ? 0 : Math.max(0, clock() / 1_000 - signedAt);
  });
}
