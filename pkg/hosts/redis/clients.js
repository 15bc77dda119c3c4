/**
 * What {@link redisHost} needs of a client: any of node-redis (5 or newer) or of ioredis, for one server or a cluster.
 *
 * @typedef {object} RedisClient
 * @property {(...args: any[]) => any} sendCommand
 * @property {(...args: any[]) => any} duplicate
 * @property {(event: any, listener: (...args: any[]) => void) => any} on
 */

/** @typedef {string | Uint8Array} Argument */

/**
 * One way to speak to either library. Text of an answer is bytes.
 *
 * @typedef {object} Connection
 * @property {() => boolean} isReady whether a command is sent at once, so that one which fails may have been executed
 * @property {(key: string, command: Argument[]) => Promise<any>} ask sends a command to the server of this key, once
 * @property {() => Promise<((...command: string[]) => Promise<any>)[]>} servers how to ask each server that keeps keys;
 *   connects first if that is to be asked for
 * @property {(channel: string, heard: (text: string) => void, begun: () => void) => () => void} subscribe on a
 *   connection of its own; `begun` is called whenever what was said before may have been missed
 * @property {() => void} close gives back what was opened here, and leaves the client alone
 */

/**
 * @param {any} client
 * @returns {Connection | undefined} none for what is no client
 */
export function connectionOf(client) {
  const isClient = ['sendCommand', 'duplicate', 'on'].every((name) => typeof client?.[name] === 'function');
  if (!isClient) return undefined;
  return client.callBuffer ? new IoConnection(client) : new NodeConnection(client);
}

/**
 * The connecting of clients that were not connected: several hosts may have one client.
 *
 * @type {WeakMap<object, Promise<unknown>>}
 */
const openings = new WeakMap();

/**
 * A client of node-redis, which never sends a command twice.
 *
 * @implements {Connection}
 */
class NodeConnection {
  #client;
  #options = { typeMapping: { [36]: Buffer } }; // bulk strings
  /** What is sent at once is not waiting to be sent, which is all that the library's timeout would end. */
  #atOnce = { ...this.#options, timeout: undefined };

  /** @param {any} client */
  constructor(client) {
    this.#client = client;
  }

  isReady() {
    return this.#client.isReady ?? this.#client.isOpen;
  }

  /**
   * @param {string} key
   * @param {Argument[]} command
   */
  ask(key, command) {
    const args = command.map(toBuffer);
    return this.#client.masters
      ? this.#client.sendCommand(key, false, args, this.#options)
      : this.#client.sendCommand(args, this.isReady() ? this.#atOnce : this.#options);
  }

  async servers() {
    const client = this.#client;
    if (!client.isOpen) openings.set(client, client.connect().finally(() => openings.delete(client)));
    await openings.get(client);
    const clients = client.masters
      ? await Promise.all(client.masters.map((/** @type {any} */ node) => client.nodeClient(node)))
      : [client];
    return clients.map((each) => (/** @type {string[]} */ ...command) => each.sendCommand(command));
  }

  /**
   * @param {string} channel
   * @param {(text: string) => void} heard
   * @param {() => void} begun
   */
  subscribe(channel, heard, begun) {
    const own = this.#client.duplicate();
    let isEnded = false;
    // While the library makes a socket, there is nothing yet that it would end.
    let isMaking = !own.masters;
    const end = () => {
      isEnded = true;
      if (!isMaking && own.isOpen) own.destroy();
    };
    const makes = (/** @type {boolean} */ making) => () => {
      isMaking = making;
      if (isEnded) end();
    };
    own.on('error', makes(false)); // it connects again by itself
    own.on('connect', makes(false));
    own.on('reconnecting', makes(true));
    let isHeard = false;
    // The library subscribes again by itself, before it is ready, to what a server has confirmed once.
    const hear = () => (isHeard ? begun() : own.subscribe(channel, heard).then(() => {
      isHeard = true;
      begun();
    }, () => {})); // whoever looks through everything finds what is not heard of
    if (!own.masters) own.on('ready', hear);
    const begin = own.connect().then(() => own.masters && hear());
    begin.catch(() => {});
    // A cluster that is still looking for its servers would go on after it was destroyed.
    return own.masters ? () => begin.then(end, end) : end;
  }

  close() {}
}

/**
 * A client of ioredis. As it is, it sends a command again when the connection is lost before the answer has come; a
 * commit that was made would then be made twice. So commands go over a connection of their own that does not.
 *
 * @implements {Connection}
 */
class IoConnection {
  #client;
  /** @type {any} */
  #own;

  /** @param {any} client */
  constructor(client) {
    this.#client = client;
    this.isCluster = Boolean(client.isCluster);
  }

  isReady() {
    return this.#connection.status === 'ready';
  }

  get #connection() {
    if ((this.#own?.status ?? 'end') === 'end') {
      // It is asked before it is connected, and answers as the script does, whatever the client is set to.
      const own = { enableOfflineQueue: true, enableAutoPipelining: false };
      const redisOptions = { ...this.#client.options?.redisOptions, stringNumbers: false };
      this.#own = this.isCluster
        ? this.#client.duplicate([], { ...own, retryDelayOnFailover: 0, redisOptions })
        : this.#client.duplicate({ ...own, maxRetriesPerRequest: 0, stringNumbers: false });
      this.#own.on('error', () => {}); // whoever asks is told
    }
    return this.#own;
  }

  /**
   * @param {string} _key
   * @param {Argument[]} command
   */
  ask(_key, command) {
    return this.#connection.callBuffer(...command.map(toBuffer));
  }

  async servers() {
    const own = this.#connection;
    if (own.isCluster) await own.callBuffer('PING'); // its servers are known then
    const clients = own.isCluster ? own.nodes('master') : [own];
    return clients.map((/** @type {any} */ each) => (/** @type {string[]} */ ...command) => each.call(...command));
  }

  /**
   * @param {string} channel
   * @param {(text: string) => void} heard
   * @param {() => void} begun
   */
  subscribe(channel, heard, begun) {
    const own = this.isCluster ? this.#client.duplicate() : this.#client.duplicate({ maxRetriesPerRequest: null });
    own.on('error', () => {});
    own.on('message', (/** @type {string} */ _, /** @type {string} */ text) => heard(text));
    own.on('ready', () => own.subscribe(channel).then(begun, () => {}));
    if (own.status === 'wait') own.connect().catch(() => {}); // a client that connects with its first command
    return () => own.disconnect();
  }

  close() {
    this.#own?.disconnect();
    this.#own = undefined;
  }
}

/** @param {Argument} argument */
function toBuffer(argument) {
  return typeof argument === 'string' ? argument : Buffer.from(argument.buffer, argument.byteOffset, argument.length);
}
