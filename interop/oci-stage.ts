import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { startOciWaybill, type OciServer } from './oci-registry.ts';
import { Crane, Oras, OciWkg } from './oci-tools.ts';
import { newWargPerson, newWaybillPerson, type WargPerson, type WaybillPerson } from './person.ts';
import { newHome, openFolder } from './scene.ts';

/** A registry and the homes of those who use it. Everything is gone at the end of its test. */
export class OciStage {
  readonly folder: string;
  readonly server: OciServer;

  constructor(folder: string, server: OciServer) {
    this.folder = folder;
    this.server = server;
  }

  /** The name of an artifact: repository and tag. */
  at(artifact: string): string {
    return `${this.server.host}/${artifact}`;
  }

  home(): string {
    return newHome(this.folder);
  }

  oras(): Oras {
    return new Oras({ home: this.home() });
  }

  crane(): Crane {
    return new Crane({ home: this.home() });
  }

  wkg(): OciWkg {
    return new OciWkg({ home: this.home(), host: this.server.host });
  }

  waybill(): Promise<WaybillPerson> {
    return newWaybillPerson(this.server.url, this.home());
  }

  warg(): Promise<WargPerson> {
    return newWargPerson(this.server.url, this.home());
  }
}

export type OciStart = (data: string) => Promise<OciServer>;

export async function openStage(t: TestContext, start: OciStart = startOciWaybill): Promise<OciStage> {
  const folder = openFolder(t);
  const server = await start(path.join(folder, 'data'));
  t.after(() => server.stop());
  return new OciStage(folder, server);
}

/** Names are relative to `folder`, and may have folders of their own. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** By name, as {@link writeFiles} takes them. */
export function readFiles(folder: string): Readonly<Record<string, string>> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = entries.map((entry) => path.join(entry.parentPath, entry.name)).toSorted();
  return Object.fromEntries(files.map((file) => [path.relative(folder, file), readFileSync(file, 'utf8')]));
}

/** A copy in a home, for tools that name what they push by where it lies. */
export function copyInto({ home }: { readonly home: string }, file: string, name: string): string {
  copyFileSync(file, path.join(home, name));
  return name;
}
