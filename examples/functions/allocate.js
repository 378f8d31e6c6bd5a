/**
 * An allocator of ids: none is given out twice, and whoever asks again under the same name gets the same one.
 *
 *     nursery function put allocate examples/functions/allocate.js --config router.ini
 *
 * The argument is JSON: `{ "pool": NAME, "for": TEXT }`. The answer is a number as text. It is called near `ids/NAME/`.
 */
export default (tx, argument) => {
  const { pool, for: owner } = JSON.parse(String(argument));
  const owned = `ids/${pool}/of/${owner}`;
  const known = tx.get(owned);
  // An answer that was lost on its way is no reason for a second id.
  if (known !== undefined) return known;
  const next = `ids/${pool}/next`;
  const id = String(Number(tx.get(next) ?? 1));
  tx.set(next, String(Number(id) + 1));
  tx.set(owned, id);
  tx.set(`ids/${pool}/by/${id}`, owner);
  return id;
};
