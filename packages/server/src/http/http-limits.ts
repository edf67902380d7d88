/** How long a body may keep the server waiting: patience is spent while waiting for bytes and earned back by each byte. */
export interface BodyPace {
  /** Patience at the start, in milliseconds. */
  readonly patienceMs: number;
  readonly patienceMsMax: number;
  /** Milliseconds of patience that each KiB earns. */
  readonly earnedMsPerKib: number;
}

/** Every bound of the HTTP side that is not one of the protocol's. Tests make them small; nothing else changes them. */
export interface HttpLimits {
  /** A request's headers must have arrived in this time, also the first ones of a connection. */
  readonly headersMs: number;
  /** How often connections are looked through for late headers. */
  readonly headersCheckMs: number;
  /** How long a connection with nothing under way is kept. */
  readonly keepAliveMs: number;
  readonly connectionsMax: number;
  /** Bytes of a request line and its headers (431). */
  readonly headerBytesMax: number;
  readonly jsonBody: BodyPace;
  /** Bytes of JSON bodies held at one time, without the free part of each (429): so many of publishes, so many of all others. */
  readonly jsonBytesMax: number;
  /** The first bytes of a JSON body or a manifest are never refused, so that a few large bodies cannot keep small ones out. */
  readonly jsonBytesFree: number;
  readonly uploadBody: BodyPace;
  /** Uploads at one time (429). Each holds two open files and some 64 KiB. */
  readonly uploadsMax: number;
  /** Uploads at one time for one record (429): no publisher takes all places of {@link uploadsMax}. */
  readonly uploadsPerRecordMax: number;
  /** Bodies of OCI uploads at one time (429). Each holds an open file and some 64 KiB. */
  readonly ociUploadsMax: number;
  /** Bytes of OCI manifests that arrive or are looked at, at one time, without the free part of each (429). */
  readonly ociManifestBytesMax: number;
  /** How long the rest of a body that nobody reads may still come in after the answer. */
  readonly unreadBodyMs: number;
  /** Records under way at one time, from the last byte of the request to the answer; later ones wait in line. */
  readonly publishesMax: number;
  /** As many are taken however busy the process is. */
  readonly publishesAlwaysTaken: number;
  /** Beyond those, none is taken while the event loop runs later than this on average. */
  readonly loopLagMs: number;
  /** Records in that line (429). */
  readonly publishesWaitingMax: number;
  /** How long a record waits there (429). */
  readonly publishWaitMs: number;
  /** An answer of which nothing could be sent for this long is cut, ... */
  readonly answerStallMs: number;
  /** ... plus the time that its unsent bytes take at this rate. */
  readonly answerBytesPerSecondMin: number;
  /** Bytes of answers that wait for their readers; beyond it the oldest are cut. */
  readonly answerBytesMax: number;
  readonly answerCheckMs: number;
  /** Requests still running this long after a stop was asked for are cut. */
  readonly stopGraceMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  headersMs: 10_000,
  headersCheckMs: 500,
  keepAliveMs: 5_000,
  connectionsMax: 10_000,
  headerBytesMax: 16 * 1024,
  jsonBody: { patienceMs: 30_000, patienceMsMax: 30_000, earnedMsPerKib: 0 },
  jsonBytesMax: 64 * 1024 * 1024,
  jsonBytesFree: 4 * 1024,
  // 1 KiB/s on average, and no stop longer than core's SOURCING_IDLE_MS.
  uploadBody: { patienceMs: 10_000, patienceMsMax: 30_000, earnedMsPerKib: 1_000 },
  uploadsMax: 1_024,
  uploadsPerRecordMax: 8,
  ociUploadsMax: 1_024,
  ociManifestBytesMax: 64 * 1024 * 1024,
  unreadBodyMs: 2_000,
  // Fewer would make commits smaller. More would publish no faster: each is some kilobytes that the garbage collector moves
  // on until the commit, and reads wait for that.
  publishesMax: 384,
  publishesAlwaysTaken: 256,
  loopLagMs: 500,
  publishesWaitingMax: 8_192,
  publishWaitMs: 10_000,
  answerStallMs: 30_000,
  answerBytesPerSecondMin: 16 * 1024,
  answerBytesMax: 256 * 1024 * 1024,
  answerCheckMs: 1_000,
  stopGraceMs: 10_000,
};
