/** Completion as a shell wants it. Where a file may stand, files are completed by the shell itself. */
import type { Command, Option } from './surface.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const SCRIPTS: { readonly [S in Shell]: (commands: readonly Command[]) => string[] } = { bash, zsh, fish };

/** The script of that shell. */
export function scriptOf(shell: Shell, commands: readonly Command[]): string {
  return `${SCRIPTS[shell](commands).join('\n')}\n`;
}

function bash(commands: readonly Command[]): string[] {
  return [
    '# bash completion of nursery',
    '_nursery() {',
    `  local current="\${COMP_WORDS[COMP_CWORD]}" words="" options=""`,
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    words="${commands.map(({ name }) => name).join(' ')} --help --version"`,
    '  else',
    `    case "\${COMP_WORDS[1]}" in`,
    ...commands.map(
      ({ name, words, options }) =>
        `      ${name}) words="${words.join(' ')}" options="${options.map(dashed).join(' ')}" ;;`,
    ),
    '    esac',
    '    case "$current" in',
    '      -*) words="$options" ;;',
    '      *) [ "$COMP_CWORD" -eq 2 ] || words="" ;;',
    '    esac',
    '  fi',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    // Where nothing of it fits, files do.
    'complete -o default -F _nursery nursery',
  ];
}

function zsh(commands: readonly Command[]): string[] {
  const described = (name: string, what: string): string => quoted(`${name.replaceAll(':', '\\:')}:${what}`);
  return [
    '#compdef nursery',
    '_nursery() {',
    '  local -a known options',
    '  if (( CURRENT == 2 )); then',
    `    known=(${commands.map(({ name, what }) => described(name, what)).join(' ')})`,
    "    _describe -t commands 'command' known",
    '    return',
    '  fi',
    `  case "\${words[2]}" in`,
    ...commands.map(
      ({ name, words, options }) =>
        `    ${name}) known=(${words.join(' ')}) options=(${options.map((option) => described(dashed(option), option.what)).join(' ')}) ;;`,
    ),
    '  esac',
    '  if [[ "$PREFIX" == -* ]]; then',
    "    _describe -o -t options 'option' options",
    '  else',
    `    (( CURRENT == 3 && \${#known} )) && _describe -t words 'word' known`,
    '    _files',
    '  fi',
    '}',
    'compdef _nursery nursery',
  ];
}

function fish(commands: readonly Command[]): string[] {
  const isFirst = '__fish_use_subcommand';
  return [
    '# fish completion of nursery',
    ...commands.flatMap(({ name, what, words, options }) => {
      const of = `__fish_seen_subcommand_from ${name}`;
      return [
        `complete -c nursery -f -n ${isFirst} -a ${name} -d ${quoted(what)}`,
        ...words.map((word) => `complete -c nursery -n ${quoted(of)} -a ${word}`),
        ...options.map(
          (option) =>
            `complete -c nursery -n ${quoted(of)} -l ${option.name}${option.hasValue ? ' -r' : ''} -d ${quoted(option.what)}`,
        ),
      ];
    }),
  ];
}

function dashed({ name }: Pick<Option, 'name'>): string {
  return `--${name}`;
}

/** As all three shells take it; what help says has no backslashes. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", '’')}'`;
}
