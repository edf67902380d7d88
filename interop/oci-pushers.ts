import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Outcome } from './command.ts';
import { LOGGED, PLAIN } from './oci-registry.ts';
import { Oras, OciWkg, WASM_TYPE } from './oci-tools.ts';
import { sha256, type OciWire, type Pushed } from './oci-wire.ts';
import { newHome } from './scene.ts';
import { moduleFile } from './stories.ts';

/** Clients that push one artifact after another, into a plain repository and into a package, and remember what was answered. */
export class OciPushers {
  readonly #homes: string;
  readonly #host: string;
  readonly #wkg: OciWkg;
  readonly #oras: Oras;
  #next = 0;
  #taken = 0;
  readonly acknowledged: Pushed[] = [];

  constructor({ homes, host }: { readonly homes: string; readonly host: string }) {
    this.#homes = homes;
    this.#host = host;
    this.#wkg = new OciWkg({ home: newHome(homes), host });
    this.#oras = new Oras({ home: newHome(homes) });
  }

  /** What was acknowledged since the last call. */
  takeNew(): readonly Pushed[] {
    const fresh = this.acknowledged.slice(this.#taken);
    this.#taken = this.acknowledged.length;
    return fresh;
  }

  /** Until the signal. A push that fails before is an error. */
  run(wire: OciWire, signal: AbortSignal): readonly Promise<void>[] {
    return [
      this.#repeat(signal, 'wire', (repository, tag, file) => pushByWire(wire, { repository, tag, file })),
      this.#repeat(signal, 'wkg', async (repository, tag, file) =>
        answered(await this.#wkg.oci('push', `${this.#host}/${repository}:${tag}`, file), { repository, tag, file }),
      ),
      this.#repeat(signal, 'oras', async (repository, tag, file) => {
        writeFileSync(path.join(this.#oras.home, 'module.wasm'), readFileSync(file));
        const outcome = await this.#oras.push(`${this.#host}/${repository}:${tag}`, [`module.wasm:${WASM_TYPE}`]);
        return answered(outcome, { repository, tag, file });
      }),
    ];
  }

  async #repeat(
    signal: AbortSignal,
    client: string,
    push: (repository: string, tag: string, file: string) => Promise<Pushed | string>,
  ): Promise<void> {
    while (!signal.aborted) {
      const number = this.#next++;
      const prefix = number % 2 === 0 ? PLAIN : LOGGED;
      const file = moduleFile({ folder: this.#homes }, `${client} ${number} ${randomUUID()}`);
      const outcome = await push(`${prefix}/by-${client}`, `${number + 1}.0.0`, file);
      if (typeof outcome !== 'string') this.acknowledged.push(outcome);
      else if (!signal.aborted) assert.fail(outcome);
    }
  }
}

interface Push {
  readonly repository: string;
  readonly tag: string;
  readonly file: string;
}

/** What was pushed, or how it failed. */
function answered({ code, stdout, stderr }: Outcome, { repository, tag, file }: Push): Pushed | string {
  if (code !== 0) return stdout + stderr;
  return { repository, tag, layerDigest: sha256(readFileSync(file)), manifestDigest: '' };
}

async function pushByWire(wire: OciWire, { repository, tag, file }: Push): Promise<Pushed | string> {
  try {
    const { status, text, pushed } = await wire.push(repository, tag, readFileSync(file));
    return status === 201 ? pushed : `${status} ${text}`;
  } catch (failure) {
    // The connection broke.
    if (failure instanceof TypeError) return String(failure.cause);
    throw failure;
  }
}
