import { createServer, connect } from 'node:net';

/**
 * Stands between clients and a server, and cuts the connection at a word.
 *
 * @param {number} port of the server
 */
export async function proxyTo(port) {
  /** @type {{ word: RegExp, late: boolean } | undefined} */
  let planned;
  let target = port;
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    let cutting = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end).on('close', () => sockets.delete(socket));
    }
    client.on('data', (bytes) => {
      if (planned?.word.test(bytes.toString('latin1'))) {
        cutting = planned.late;
        planned = undefined;
        if (!cutting) return end();
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => (cutting ? end() : client.write(bytes)));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  return {
    port: /** @type {import('node:net').AddressInfo} */ (server.address()).port,
    /**
     * Plans one cut, at the next request that has this word in it.
     *
     * @param {RegExp} word
     * @param {boolean} late whether the server gets the request and only its answer is lost
     */
    cut(word, late) {
      planned = { word, late };
    },
    /**
     * Leads connections that are made from now on to another server, and leaves those that are there.
     *
     * @param {number} port of that server
     */
    leadTo(port) {
      target = port;
    },
    close: () => new Promise((resolve) => {
      sockets.forEach((socket) => socket.destroy());
      server.close(resolve);
    }),
  };
}
