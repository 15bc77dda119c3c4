/** @import { Glue } from '../wasm/glue.js' */
/** @import { Envelope, Looked, MaybePromise, QueueOptions, QueueStorage, Relay } from '../types.js' */
/** @import { LOOK } from '../seam/look.js' */
/** @import { Frame } from '../seam/frame.js' */
/** @import { Pool } from './pool.js' */
/** @import { Renewals } from './renewals.js' */

/**
 * What the parts of a queue share.
 *
 * @typedef {object} Context
 * @property {Glue.Decisions} decisions
 * @property {Frame} frame
 * @property {QueueStorage & { [LOOK]?: (id: string) => MaybePromise<Looked> }} storage
 * @property {Relay} relay
 * @property {string} owner in whose name messages are claimed
 * @property {Pool | undefined} storePool
 * @property {QueueOptions['backoff']} backoff
 * @property {QueueOptions['bounceFactory']} bounceFactory
 * @property {QueueStorage | undefined} deadLetter
 * @property {() => void} tick has the core read the clocks
 * @property {(milliseconds: number) => Promise<boolean>} rest waits; false if there is no time
 * @property {(bounce: Envelope, id: string) => Promise<string[]>} storeBounce stores one that waits
 * @property {(ids: string[]) => Promise<void>} sendBounces lets them be due
 * @property {Renewals} renewals
 * @property {(type: string) => boolean} hears whether somebody listens to events of a type
 * @property {(type: string, detail: () => object) => void} dispatch
 * @property {(error: unknown, detail: object) => void} complain tells of an error in an event
 * @property {(id: string) => Error} leaseLost
 */
export {};
