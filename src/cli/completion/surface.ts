/** What can be typed, read out of what `--help` says of it: so that completion never knows less, or more. */
import { COMMANDS } from '../usage.ts';

/** An option without its dashes. */
export type Option = { readonly name: string; readonly what: string; readonly hasValue: boolean };
export type Command = {
  readonly name: string;
  readonly what: string;
  /** Words that may stand behind it, where these are a few. */
  readonly words: readonly string[];
  readonly options: readonly Option[];
};

/** Help of `nursery WORDS --help`, each entry in one line. */
export type HelpOf = (words: readonly string[]) => Promise<string>;

/** All commands, as help describes them. */
export async function surfaceOf(helpOf: HelpOf): Promise<Command[]> {
  const top = await helpOf([]);
  const commands: Command[] = [];
  for (const name of COMMANDS) {
    const what = new RegExp(`^  nursery ${name}(?: [<\\[].*?[>\\]])* {2,}(.*)$`, 'm').exec(top)?.[1] ?? '';
    commands.push({ name, what, ...commandIn(await helpOf([name])) });
  }
  return commands;
}

/** What one command takes. */
export function commandIn(help: string): Pick<Command, 'words' | 'options'> {
  const all = [
    ...help.matchAll(/^ {2,}--([a-z-]+) +(.*?) *\[(string|boolean|array|number|choices: .*?)\].*$/gm),
  ].map(
    ([, name, what, type]): Option => ({
      name: name as string,
      what: (what as string).trim(),
      hasValue: type !== 'boolean',
    }),
  );
  // It is one of the program, not of the command.
  const options = all.filter(({ name }) => name !== 'version');
  const [, listed = ''] = /^ {2}what +(.*?) *\[string\]/m.exec(help) ?? [];
  const words = listed.split(/, (?:or )?/).filter((word) => /^[a-z-]+$/.test(word));
  return { words, options };
}
