/**
 * A counter: adds the argument, 1 where there is none, and answers the value after.
 *
 *     nursery function put counter examples/functions/counter.js --config router.ini
 *
 * The argument is `KEY` or `KEY AMOUNT`; it is called near KEY.
 */
export default (tx, argument) => {
  const [key, amount = '1'] = String(argument).split(' ');
  const value = BigInt(String(tx.get(key) ?? '0')) + BigInt(amount);
  tx.set(key, String(value));
  return String(value);
};
