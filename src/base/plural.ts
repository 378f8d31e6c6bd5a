/** Numbers of things, for people. */

/** So many of them: "1 move", "2 moves". `many` where an s does not make it. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
