import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { hasCode, replaceFile } from '@waybill/client/node';
import { messageOf, parseJson, RegistryError } from '@waybill/protocol';
import type { Folders } from './context.ts';

/** What `waybill config` keeps. */
export interface Settings {
  readonly registry?: string;
  readonly key?: string;
}

export const SETTING_NAMES = ['registry', 'key'] as const;
export type SettingName = (typeof SETTING_NAMES)[number];

export function settingsFile(folders: Folders): string {
  return path.join(folders.config, 'config.json');
}

/** Empty when there is no file. Throws `usage/invalid` for one that cannot be read. */
export async function readSettings(folders: Folders): Promise<Settings> {
  const file = settingsFile(folders);
  try {
    const body = parseJson(await readFile(file));
    if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new TypeError('it is not an object');
    const settings: { -readonly [K in SettingName]?: string } = {};
    for (const name of SETTING_NAMES) {
      const value = body[name];
      if (typeof value === 'string') settings[name] = value;
    }
    return settings;
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return {};
    throw new RegistryError('usage/invalid', `cannot read ${file}: ${messageOf(cause)}`, {}, { cause });
  }
}

export async function writeSettings(folders: Folders, settings: Settings): Promise<void> {
  await replaceFile(settingsFile(folders), `${JSON.stringify(settings, null, 2)}\n`);
}
