/** Names in sentences for people. */

/**
 * Who does something: `n1 answers`, `n1, n2 of ams answer`.
 *
 * @param verb as of one, with its `s`
 * @param whose behind the names, as `of ams`
 */
export function whoDoes(names: readonly string[], verb: string, whose = ''): string {
  const who = `${names.join(', ')}${whose === '' ? '' : ` ${whose}`}`;
  return `${who} ${names.length === 1 ? verb : verb.slice(0, -1)}`;
}

/** Of nodes that are said to be gone, and answer. */
export function notGone(names: readonly string[]): string {
  const isOne = names.length === 1;
  return `${whoDoes(names, 'answers')}: ${isOne ? 'it is' : 'they are'} not gone; leave ${isOne ? 'it' : 'them'} out of --gone, for what ${isOne ? 'it holds' : 'they hold'} counts, or stop ${isOne ? 'it' : 'them'} first`;
}
