import { silentObserver, type Observer } from '../core/observer.ts';

/** Why the server closed a connection in the middle of a request or an answer. */
export type CutReason = 'unread-body' | 'slow-reader';

/** What the HTTP side tells whoever watches it, besides what core does. Calls are cheap, synchronous and never throw. */
export interface HttpObserver extends Observer {
  /** An answer began. `route` is a template such as `/v1/content/:digest`, or `other`; never a path that somebody sent. */
  requestAnswered(request: {
    readonly method: string;
    readonly route: string;
    readonly status: number;
    readonly seconds: number;
  }): void;
  connectionCut(reason: CutReason): void;
}

/** Nobody watches. */
export const silentHttpObserver: HttpObserver = {
  ...silentObserver,
  requestAnswered: () => undefined,
  connectionCut: () => undefined,
};
