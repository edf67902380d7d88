import { buildCommand, buildRouteMap, type Command, type RouteMap } from '@stricli/core';
import { parseRegistryUrl } from '@waybill/client';
import { RegistryError } from '@waybill/protocol';
import { action } from '../action.ts';
import { foldersOf, type CliContext } from '../context.ts';
import { jsonFlag } from '../flags.ts';
import { readSettings, SETTING_NAMES, settingsFile, writeSettings, type SettingName } from '../settings.ts';
import { configWkgCommand } from './config-wkg.ts';

const text = (input: string): string => input;

const setCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Show or change what is kept between commands',
    fullDescription: `Names: registry (address), key (name of the signing key).

  waybill config
  waybill config registry https://registry.example
  waybill config key team`,
  },
  parameters: {
    flags: jsonFlag,
    positional: {
      kind: 'tuple',
      parameters: [
        { brief: 'Name', parse: text, placeholder: 'name', optional: true },
        { brief: "New value; '' removes it", parse: text, placeholder: 'value', optional: true },
      ],
    },
  },
  func: async function config(
    this: CliContext,
    flags: { readonly json?: boolean },
    name?: string,
    value?: string,
  ): Promise<void> {
    await action(async (context) => {
      const folders = foldersOf(context.process.env);
      const settings = await readSettings(folders);
      if (name === undefined) {
        const lines = SETTING_NAMES.map((known) => `${known}  ${settings[known] ?? '-'}`);
        return { text: [settingsFile(folders), ...lines].join('\n'), json: { ...settings } };
      }
      const known = settingName(name);
      if (value === undefined) return { text: settings[known] ?? '', json: settings[known] ?? null };
      const { [known]: _old, ...others } = settings;
      const next =
        value === '' ? others : { ...others, [known]: known === 'registry' ? parseRegistryUrl(value).href : value };
      await writeSettings(folders, next);
      return { text: `${known}  ${value || '-'}`, json: { ...next } };
    }).call(this, flags);
  },
});

export const configRoutes: RouteMap<CliContext> = buildRouteMap({
  routes: { set: setCommand, wkg: configWkgCommand },
  defaultCommand: 'set',
  docs: {
    brief: 'Show or change what is kept between commands; tell wkg of this registry',
    fullDescription: `Names and values are given to the command itself, or to its other name, waybill config set.

  waybill config
  waybill config registry https://registry.example
  waybill config wkg --write`,
  },
});

function settingName(name: string): SettingName {
  const known = SETTING_NAMES.find((candidate) => candidate === name);
  if (known !== undefined) return known;
  throw new RegistryError('usage/invalid', `there is no setting ${name}: there are ${SETTING_NAMES.join(' and ')}`);
}
