import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Intake } from './intake.ts';
import type { HttpObserver } from './http-observer.ts';
import { problemHeaders } from './problem.ts';
import { Turns } from './turns.ts';

/** A refused body up to this size is read to its end, so that its connection can be used again. */
const SMALL_BODY_BYTES = 64 * 1024;
/** A record up to this size waits in line before anything is made of it. */
const WAITING_BODY_BYTES = 4 * 1024;

const RECORD_TARGET = /^\/v1\/package\/[^/?]+\/record(?:\?|$)/;
const CONTENT_TARGET = /^\/v1\/package\/[^/?]+\/record\/[^/?]+\/content\/[^/?]+(?:\?|$)/;
const RECORD_ROUTE = '/v1/package/:logId/record';
const CONTENT_ROUTE = '/v1/package/:logId/record/:recordId/content/:digest';
const STATUS_TOO_MANY = 429;
const BODY = JSON.stringify({ status: STATUS_TOO_MANY, message: 'too much is being published: try again' });

/** Answers a request. */
export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

/** Answers, before the door, requests of its own: an API without the framework of the others. */
export interface FrontListener {
  takes(target: string): boolean;
  answer(incoming: IncomingMessage, outgoing: ServerResponse): void;
}

/**
 * What publishes pass before their body is read and before any routing. Those that would be refused anyway are answered here,
 * for under overload the refusals must cost next to nothing, or they take the place of the work. Records whose bodies are here
 * wait here for their place, as bare as they came: thousands may wait for seconds, and what is made of a request would grow
 * old with them. The others go in a few at a time. Whatever only reads never comes here.
 */
export class PublishDoor {
  readonly #intake: Intake;
  readonly #observer: HttpObserver;
  readonly #answer: Listener;
  readonly #turns = new Turns();

  constructor(intake: Intake, observer: HttpObserver, answer: Listener) {
    this.#intake = intake;
    this.#observer = observer;
    this.#answer = answer;
  }

  /** Lets the request be answered, unless it is answered here or its sender has gone. */
  pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const route = publishRoute(incoming);
    if (route === null) this.#answer(incoming, outgoing);
    else if (this.#isRefused(route)) this.#refuse(route, incoming, outgoing);
    else if (route === RECORD_ROUTE && hasBodyUpTo(WAITING_BODY_BYTES, incoming)) {
      // The body mostly comes with the headers, and is parsed before the next phase of the event loop.
      setImmediate(() => this.#admit(incoming, outgoing));
    } else this.#enter(incoming, outgoing);
  }

  #admit(incoming: IncomingMessage, outgoing: ServerResponse): void {
    // One that is still to come takes no place while it comes.
    if (!incoming.complete) this.#enter(incoming, outgoing);
    else {
      this.#intake.admit(incoming, outgoing, (isAdmitted) => {
        if (isAdmitted) this.#enter(incoming, outgoing);
        else this.#refuse(RECORD_ROUTE, incoming, outgoing);
      });
    }
  }

  #enter(incoming: IncomingMessage, outgoing: ServerResponse): void {
    this.#turns.run(() => outgoing.destroyed || this.#answer(incoming, outgoing));
  }

  #isRefused(route: string): boolean {
    return route === RECORD_ROUTE ? this.#intake.refusesPublishes : this.#intake.refusesUploads;
  }

  #refuse(route: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
    outgoing.writeHead(STATUS_TOO_MANY, {
      'content-type': 'application/json',
      'content-length': BODY.length,
      ...problemHeaders(STATUS_TOO_MANY),
      ...(hasBodyUpTo(SMALL_BODY_BYTES, incoming) ? {} : { connection: 'close' }),
    });
    outgoing.end(BODY);
    const { method = '' } = incoming;
    this.#observer.requestAnswered({ method, route, status: STATUS_TOO_MANY, seconds: 0 });
    this.#observer.refused('request/too-many');
  }
}

function publishRoute({ method, url = '' }: IncomingMessage): string | null {
  if (method !== 'POST' && method !== 'PUT') return null;
  if (RECORD_TARGET.test(url)) return RECORD_ROUTE;
  return CONTENT_TARGET.test(url) ? CONTENT_ROUTE : null;
}

function hasBodyUpTo(bytesMax: number, { headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) <= bytesMax;
}
