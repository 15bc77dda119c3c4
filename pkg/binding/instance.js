/** @import { InitOutput } from '../wasm/glue.js' */
/** @import { Gate } from './later.js' */
import { QueueError } from '../errors.js';
import { instantiate } from '../wasm/glue.js';
import {
  asMessage, asNotice, countRecipients, hasSender, headerNames, noticeOf, partsOf, texts, withRecipients, without,
} from './envelope.js';
import { Failed, broken, failed, leaseLost, noDelay, refusedNumber, refusedText, unrecognised } from './errors.js';
import { apart } from './apart.js';
import { Batch } from './batch.js';
import { Later } from './later.js';
import { recordOf } from './meta.js';

// The instance of the wasm module, and the fresh one that takes its place after a critical error.

/** How deep hosts may call back into storages: what is deeper does not end, and the stack of the module is small. */
const DEEPEST = 32;

/** For how many milliseconds those who work by themselves wait where their own work has ended an instance. */
const PAUSE = 1_000;

/** What the core calls by name, see `js_namespace = binding` in src/wasm. */
const BINDING = {
  Failed, failed, refusedNumber, refusedText, broken, leaseLost, noDelay, unrecognised, Later, texts, hasSender, headerNames,
  countRecipients, without, asNotice, asMessage, noticeOf, withRecipients, recordOf, partsOf, Batch,
};

/**
 * Is called when a fresh instance has taken the place of one that is gone: those who work by themselves go on.
 *
 * @type {Set<() => void>}
 */
export const restarted = new Set();

/** @type {(() => WebAssembly.Module) | undefined} */
let compile;
/** @type {WebAssembly.Module | undefined} */
let compiled;
/** @type {Instance | undefined} */
let current;
/**
 * Calls that were under way in instances that are gone.
 *
 * @type {Set<Call>}
 */
let lostCalls = new Set();
/** Whether those who work by themselves are to go on in the current instance, and whether after a pause. */
let isRestartDue = false;
let isPauseDue = false;

/** @typedef {{ id?: string, key?: string, reject: (error: unknown) => void }} Call */

/**
 * Says where the compiled module comes from. A loader does this when it is imported; nothing is compiled by it.
 *
 * @param {() => WebAssembly.Module} compiledModule called once, at the first use
 */
export function provide(compiledModule) {
  compile = compiledModule;
}

/**
 * The instance of the module: made at the first use, and anew when a critical error has made the last one useless.
 *
 * @returns {Instance}
 */
export function instance() {
  if (lostCalls.size > 0) endLostCalls();
  if (isRestartDue) beginRestart();
  if (current?.isAlive) return current;
  compiled ??= loader()();
  const fresh = new Instance(compiled);
  if (current) {
    lostCalls = new Set([...lostCalls, ...current.calls]);
    current.release();
  }
  isRestartDue = current !== undefined;
  current = fresh;
  if (lostCalls.size > 0) endLostCalls();
  if (isRestartDue) beginRestart();
  return fresh;
}

/** Again with the next call, where the stack ends in the middle. */
function beginRestart() {
  if (isPauseDue) setTimeout(restartAll, PAUSE);
  else queueMicrotask(restartAll);
  isRestartDue = isPauseDue = false;
}

function restartAll() {
  for (const restart of restarted) {
    try {
      restart();
    } catch {
      isRestartDue = isPauseDue = true; // the others go on, and this one with them when it can
    }
  }
  if (isRestartDue) recover();
}

/** Lets what is gone be replaced without a call of anybody, as soon as there is memory for it. */
function recover() {
  try {
    instance();
  } catch {
    setTimeout(recover, PAUSE);
  }
}

/** Who gives the compiled module; throws where nobody does. */
export function loader() {
  if (compile) return compile;
  throw new QueueError('host', 'host: the wasm module is not loaded: call init(module) first');
}

/** Again with the next call, where the stack ends in the middle. */
function endLostCalls() {
  for (const call of lostCalls) {
    call.reject(lost(call.id, call.key));
    lostCalls.delete(call);
  }
}

/**
 * The error of a call whose instance is gone.
 *
 * @param {string | undefined} id of the message that it speaks of
 * @param {string | undefined} key that the message was given
 */
export function lost(id, key) {
  const reason = 'the stack or the memory of the program has ended';
  return Object.assign(new QueueError('unknown-outcome', `unknown-outcome: ${reason}`, { id }), key && { key });
}

/** Resolves when everything else of the program has run. */
function soon() {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}

/**
 * The class that gives back what objects of an instance have in its memory; some workers have none.
 *
 * @param {Gate} gate
 */
function gatedRegistry(gate) {
  if (typeof FinalizationRegistry === 'undefined') return undefined;
  return class extends FinalizationRegistry {
    /** @param {(held: any) => void} cleanup */
    constructor(cleanup) {
      super(gate(cleanup));
    }
  };
}

/**
 * Makes promises whose executors enter an instance: what an executor throws is nobody's rejection.
 *
 * @param {Instance} instance
 * @returns {PromiseConstructor}
 */
function enteringPromise(instance) {
  /** @param {(resolve: (value: any) => void, reject: (error: unknown) => void) => void} executor */
  function EnteringPromise(executor) {
    return new Promise((resolve, reject) => {
      try {
        instance.enter(() => executor(resolve, reject));
      } catch {
        // It never settles; the call that it is for ends with the instance.
      }
    });
  }
  EnteringPromise.prototype = Promise.prototype;
  EnteringPromise.resolve = Promise.resolve.bind(Promise);
  return /** @type {any} */ (EnteringPromise);
}

/**
 * One instance of the module. An exception that crosses wasm (the caller's stack has ended, memory has ended, a trap)
 * skips all destructors: what the instance has in memory is not to be trusted from there on, and a fresh instance takes
 * its place. What else was in memory is a cache of what hosts keep, or is told to the fresh instance by JavaScript.
 */
export class Instance {
  isAlive = true;
  /** @type {Set<Call>} under way */
  calls = new Set();
  #depth = 0;
  /**
   * What the gate lets through, by the function that asks for it. Promises and timers of others may keep that one for
   * long, and not the memory of an instance that is gone.
   *
   * @type {WeakMap<Function, Function> | undefined}
   */
  #gated = new WeakMap();

  /** @type {Set<any>} that may keep the process alive */
  #timers = new Set();

  /** @param {WebAssembly.Module} module */
  constructor(module) {
    const { gate } = this;
    this.glue = instantiate(
      { ...BINDING, soon: () => new Later(soon(), gate) },
      apart,
      enteringPromise(this),
      (task) => queueMicrotask(/** @type {() => void} */ (gate(task))),
      (task, delay) => {
        const timer = setTimeout(gate(task), delay);
        this.#timers.add(timer);
        return timer;
      },
      (timer) => {
        this.#timers.delete(timer);
        clearTimeout(timer);
      },
      gatedRegistry(gate),
      undefined,
    );
    /** @type {InitOutput} */
    this.exports = this.glue.initSync({ module });
  }

  /**
   * Runs something that enters the instance. Whatever it throws is a critical error.
   *
   * @template T
   * @param {() => T} work
   * @returns {T}
   */
  enter(work) {
    let isWhole = false;
    this.#depth++;
    try {
      const result = work();
      isWhole = true;
      return result;
    } finally {
      // Assignments alone: where the stack has ended, no call can be made.
      this.#depth--;
      if (!isWhole) this.isAlive = false;
    }
  }

  /** Whether hosts call storages that call hosts, without end. */
  get isTooDeep() {
    return this.#depth >= DEEPEST;
  }

  /** @type {Gate} */
  gate = (f) => {
    const gated = (/** @type {any[]} */ ...args) => this.#pass(gated, args);
    this.#gated?.set(gated, f);
    return gated;
  };

  /**
   * @param {Function} gated
   * @param {any[]} args
   */
  #pass(gated, args) {
    const f = this.isAlive ? this.#gated?.get(gated) : undefined;
    if (f) {
      try {
        return this.enter(() => f(...args));
      } catch {
        isPauseDue = true; // nobody is there to hear of it but the calls under way
      }
    }
    if (this.calls.size > 0 || restarted.size > 0) recover();
  }

  /** Lets go of the memory and the timers of an instance that is gone. */
  release() {
    this.#timers.forEach((timer) => clearTimeout(timer));
    this.#gated = undefined;
    this.calls = new Set();
    /** @type {any} */ (this).glue = undefined;
    /** @type {any} */ (this).exports = undefined;
  }

  /**
   * A promise that ends with the instance.
   *
   * @template T
   * @param {Promise<T | Failed>} promise
   * @param {string | undefined} id of the message that it speaks of
   * @param {string | undefined} key that the message was given
   * @returns {Promise<T>}
   */
  track(promise, id, key) {
    return new Promise((resolve, reject) => {
      const call = { id, key, reject };
      this.calls.add(call);
      promise.then((result) => {
        this.calls.delete(call);
        if (result instanceof Failed) reject(result.error);
        else resolve(result);
      });
    });
  }
}
