/** An IDBFactory that goes wrong when it is told to, over the real one. It imports nothing and runs in any page. */

/**
 * Each list says how the next calls go, one each: `undefined` as ever, otherwise an error's name or one of these. An
 * open may be `'silent'`: it never ends. A transaction may be `'interrupted'`: it is aborted before it can commit;
 * or `'unknown'`: it commits, and an error is all that its owner hears of it.
 *
 * @param {object} [plan]
 * @param {(string | undefined)[]} [plan.open]
 * @param {(string | undefined)[]} [plan.readonly]
 * @param {(string | undefined)[]} [plan.readwrite]
 * @param {number} [plan.newer] by how much its databases are of a newer version than asked for
 * @param {IDBFactory} [plan.beneath]
 * @returns {{ open: IDBFactory['open'], opens: number, connections: IDBDatabase[] }}
 */
export function faultyFactory({ open = [], readonly = [], readwrite = [], newer = 0, beneath = indexedDB } = {}) {
  const plan = { readonly: [...readonly], readwrite: [...readwrite] };
  const opens = [...open];
  const factory = {
    opens: 0,
    connections: [],
    open(name, version) {
      factory.opens++;
      const fault = opens.shift();
      if (fault) return endless(fault);
      const request = beneath.open(name, version + newer);
      request.addEventListener('success', () => {
        factory.connections.push(request.result);
        spoil(request.result, plan);
      });
      return request;
    },
  };
  return factory;
}

/** A request that ends with an error, or never. */
function endless(fault) {
  const request = { error: fault === 'silent' ? null : new DOMException('on request', fault) };
  if (request.error) queueMicrotask(() => request.onerror?.());
  return request;
}

function spoil(db, plan) {
  const { transaction } = db;
  db.transaction = (stores, mode, ...rest) => {
    const fault = plan[mode].shift();
    if (fault && !['interrupted', 'unknown'].includes(fault)) throw new DOMException('on request', fault);
    const tx = transaction.call(db, stores, mode, ...rest);
    if (fault === 'interrupted') queueMicrotask(() => tx.abort());
    if (fault === 'unknown') {
      tx.addEventListener('complete', (event) => {
        event.stopImmediatePropagation();
        Object.defineProperty(tx, 'error', { value: new DOMException('on request', 'UnknownError') });
        tx.onabort(new Event('abort'));
      });
    }
    return tx;
  };
}
