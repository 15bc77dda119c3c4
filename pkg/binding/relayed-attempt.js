/** @import { Envelope, Relay } from '../types.js' */
/** @import { AnswerCopy } from './answers.js' */
import { understood, understoodError } from '../relays/understanding.js';
import { copyAnswer, copyThrown } from './answers.js';
import { copyForeign } from './envelope.js';
import { Failed } from './errors.js';
import { answerOf } from './later.js';

/** An attempt that the relay has. It answers once, whichever instance asks. */
export class RelayedAttempt {
  /** @type {AnswerCopy | Promise<AnswerCopy>} */
  answer;
  /** What the relay has returned. @type {unknown} */
  returned;
  /** @type {AbortController | undefined} */
  #controller;

  /**
   * @param {Relay | undefined} relay
   * @param {Envelope} envelope
   * @param {number} attempts
   * @param {string} id
   */
  constructor(relay, envelope, attempts, id) {
    const recipients = envelope.recipients.slice();
    const controller = () => (this.#controller ??= new AbortController());
    const attempt = {
      id,
      get signal() {
        return controller().signal;
      },
    };
    const answer = answerOf(() => relay?.attempt(copyForeign(envelope), attempts, attempt), (answer) => {
      this.returned = answer;
      return understood(answer, recipients, () => controller().signal);
    });
    const copy = (/** @type {any} */ found) => (found instanceof Failed
      ? copyThrown(found.error, understoodError(found.error, recipients), recipients) : copyAnswer(found, recipients));
    this.answer = answer instanceof Promise ? answer.then(copy) : copy(answer);
  }

  abort() {
    (this.#controller ??= new AbortController()).abort(); // who looks at the signal only now sees it, too
  }
}
