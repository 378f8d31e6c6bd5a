/**
 * A queue: first in, first out, each item handed out once.
 *
 *     nursery function put queue examples/functions/queue.js --config router.ini
 *
 * The argument is JSON: `{ "queue": NAME, "push": TEXT }` answers the number of the item; `{ "queue": NAME, "pop": true }`
 * answers the oldest item and removes it, and nothing where the queue is empty. It is called near `queue/NAME/`.
 */
const DIGITS = 16;

export default (tx, argument) => {
  const { queue, push } = JSON.parse(String(argument));
  const items = `queue/${queue}/item/`;
  if (push !== undefined) {
    const last = `queue/${queue}/last`;
    const number = Number(tx.get(last) ?? 0) + 1;
    tx.set(last, String(number));
    // Of equal length, so that the order of keys is the order of numbers.
    tx.set(items + String(number).padStart(DIGITS, '0'), push);
    return String(number);
  }
  const [oldest] = tx.prefix(items, 1);
  if (oldest === undefined) return undefined;
  const item = tx.get(oldest);
  tx.delete(oldest);
  return item;
};
