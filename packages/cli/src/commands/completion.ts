import { buildCommand, type Command } from '@stricli/core';
import { RegistryError } from '@waybill/protocol';
import { action, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, jsonFlag } from '../flags.ts';

/** The hidden word after which `waybill` proposes completions for the words that follow. */
export const COMPLETE_WORD = '__complete';

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_waybill() {
  local IFS=$'\\n'
  COMPREPLY=($(waybill ${COMPLETE_WORD} "\${COMP_WORDS[@]:1:COMP_CWORD}"))
}
complete -o default -F _waybill waybill`,
  zsh: `#compdef waybill
_waybill() {
  local -a proposals
  proposals=("\${(@f)$(waybill ${COMPLETE_WORD} "\${words[@]:1:$((CURRENT-1))}")}")
  compadd -- $proposals || _files
}
compdef _waybill waybill`,
  fish: `complete -c waybill -a '(waybill ${COMPLETE_WORD} (commandline -opc)[2..] (commandline -ct))'`,
};

export const completionCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Print the completion script of a shell',
    fullDescription:
      '  waybill completion bash >> ~/.bashrc\n  waybill completion zsh > ~/.zfunc/_waybill\n  waybill completion fish > ~/.config/fish/completions/waybill.fish',
  },
  parameters: { flags: jsonFlag, positional: { kind: 'tuple', parameters: [argument('bash, zsh or fish', 'shell')] } },
  func: action<CommonFlags, [string]>(async (_context, _flags, _progress, shell) => {
    const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
    if (script === undefined)
      throw new RegistryError(
        'usage/invalid',
        `no completions for ${shell}: there are ${Object.keys(SCRIPTS).join(', ')}`,
      );
    return { text: script, json: { shell, script } };
  }),
});
