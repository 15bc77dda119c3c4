/** The page in every engine, an origin of its own for each test. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { serve } from '../../tools/demo/server.js';
import { ENGINES } from './engines.js';

/**
 * What a test of the page has: the demo's server, and tabs on it.
 *
 * @typedef {object} Scene
 * @property {Awaited<ReturnType<typeof serve>>} server
 * @property {any} browser
 * @property {() => Promise<PageTab>} open one more tab
 */

/**
 * Defines a test of the page, with what the server is told.
 *
 * @typedef {(name: string, run: (scene: Scene) => Promise<void>, options?: Parameters<typeof serve>[1]) => void} PageTest
 */

/**
 * Defines the same tests of the page in every engine.
 *
 * @param {string} subject
 * @param {(pageTest: PageTest, engine: string) => void} define
 * @param {{ only?: string[] }} [options]
 */
export function onPage(subject, define, { only = Object.keys(ENGINES) } = {}) {
  for (const engine of only) {
    const { skip, start } = ENGINES[engine];
    describe(`${subject} in ${engine}`, { skip }, () => {
      /** @type {any} */
      let browser;
      before(async () => {
        browser = await start();
      });
      after(() => browser?.close());
      define((name, run, options) => test(name, { timeout: 300_000 }, async () => {
        const server = await serve(0, options);
        /** @type {PageTab[]} */
        const tabs = [];
        const open = async () => {
          tabs.push(new PageTab(await browser.open(server.url), server.url));
          await tabs[tabs.length - 1].opened();
          return tabs[tabs.length - 1];
        };
        try {
          await run({ server, browser, open });
        } catch (error) {
          const [shown, kept] = await Promise.all([tabs[0]?.text('#app'), tabs[0]?.kept()].map((told) => told?.catch(String)));
          if (error instanceof Error) error.message += `\nThe page shows:\n${shown}\nIts databases keep:\n${kept}`;
          throw error;
        } finally {
          await server.close();
          // The first window stays: without any, the browser ends.
          for (const tab of tabs) await tab.leave();
        }
      }), engine);
    });
  }
}

/** A tab on the page, as somebody sees and uses it. */
export class PageTab {
  /**
   * @param {any} tab
   * @param {string} url
   */
  constructor(tab, url) {
    this.tab = tab;
    this.url = url;
  }

  opened() {
    return this.until(() => !document.querySelector('.loading, .empty')?.textContent?.includes('being'));
  }

  /**
   * Waits until a function of the page says yes, also where the page is reloaded meanwhile.
   *
   * @param {(argument: any) => unknown} holds
   * @param {unknown} [argument]
   */
  async until(holds, argument) {
    for (;;) {
      try {
        return await this.#until(holds, argument);
      } catch (error) {
        if (!/unload|navigat|discarded|aborted|browsing context/i.test(String(error)) || /never:/.test(String(error))) throw error;
      }
    }
  }

  /**
   * @param {(argument: any) => unknown} holds
   * @param {unknown} argument
   */
  #until(holds, argument) {
    return this.tab.look(`(argument) => new Promise((resolve, reject) => {
      const holds = ${holds};
      let looking = false;
      const look = async () => {
        if (looking) return; // what it looks for may be a press that changes the page
        looking = true;
        const found = await holds(argument);
        looking = false;
        if (!found) return;
        end();
        resolve(found === true ? null : found);
      };
      const observer = new MutationObserver(look);
      const timer = setInterval(look, 100); // for what is no change of the document
      const late = setTimeout(() => {
        end();
        reject(new Error('never: ' + holds + ' ' + JSON.stringify(argument)));
      }, 90000); // longer than the page waits for an answer that is lost
      const end = () => {
        observer.disconnect();
        clearInterval(timer);
        clearTimeout(late);
      };
      observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      look();
    })`, argument);
  }

  /** @param {string} selector */
  text(selector) {
    return this.tab.look((/** @type {string} */ selector) => {
      const element = /** @type {HTMLElement | null} */ (document.querySelector(selector));
      return element?.innerText ?? '';
    }, selector);
  }

  /** What the queue and the history of the page keep, for people to read. @returns {Promise<string>} */
  kept() {
    return this.tab.look(async () => {
      const all = (/** @type {string} */ name, /** @type {string} */ store) => new Promise((resolve) => {
        const opening = indexedDB.open(name);
        opening.onerror = () => resolve(String(opening.error));
        opening.onsuccess = () => {
          const reading = opening.result.transaction(store).objectStore(store).getAll();
          reading.onsuccess = reading.onerror = () => {
            opening.result.close();
            resolve(reading.error ? String(reading.error) : reading.result);
          };
        };
      });
      const [metas, records] = await Promise.all([all('outbox', 'meta'), all('outbox-history', 'records')]);
      return JSON.stringify({ now: Date.now(), metas, records }, null, 1);
    });
  }

  /** Waits until an element has this text. @param {string} selector @param {string} text */
  says(selector, text) {
    return this.until(({ selector, text }) => [...document.querySelectorAll(selector)].some(
      (element) => element.textContent?.replace(/\s+/g, ' ').includes(text)), { selector, text });
  }

  /** Presses what is there, or once it is. @param {string} selector */
  press(selector) {
    return this.until((selector) => {
      const element = document.querySelector(selector);
      element?.click();
      return element;
    }, selector).then(() => {});
  }

  /** Takes back what is shown, as somebody who presses again where it was being sent: nobody can take it back then. */
  takeBack() {
    return this.until(() => {
      if ([...document.querySelectorAll('.recipient')].some(({ textContent }) => textContent?.includes('Taken back'))) return true;
      const button = document.querySelector('[data-do=cancel]');
      const { dataset } = document.body;
      if (!button || Date.now() - Number(dataset.pressed ?? 0) < 2_000) return false;
      dataset.pressed = String(Date.now());
      button.click();
      return false;
    });
  }

  /**
   * Gives a field a value, as somebody who types it.
   *
   * @param {string} selector
   * @param {string | boolean} value
   */
  fill(selector, value) {
    return this.until(({ selector, value }) => {
      const field = document.querySelector(selector);
      if (!field) return false;
      if (typeof value === 'boolean') field.checked = value;
      else field.value = value;
      for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, { bubbles: true }));
      return true;
    }, { selector, value });
  }

  /**
   * Writes a mail in the editor and queues it.
   *
   * @param {{ to: string, subject?: string, text?: string }} mail
   */
  async write({ to, subject = 'A note', text = 'Hello' }) {
    await this.press('#write');
    await this.fill('#editor [name=to]', to);
    await this.fill('#editor [name=subject]', subject);
    await this.fill('#editor [name=text]', text);
    await this.press('#send-draft');
    await this.until(() => !document.querySelector('.editor[open]'));
  }

  /**
   * Waits until the message with this subject is in a state, and tells of its recipients.
   *
   * @param {string} subject
   * @param {string} state
   * @returns {Promise<string[]>}
   */
  async is(subject, state) {
    const recipients = await this.until(({ subject, state }) => {
      const letter = [...document.querySelectorAll(`.letter[data-state="${state}"]`)]
        .find((one) => one.querySelector('.subject')?.textContent === subject);
      return letter && [...letter.querySelectorAll('.recipient')].map((one) => one.textContent.replace(/\s+/g, ' ').trim());
    }, { subject, state });
    return recipients;
  }

  /** Opens the page anew. The reload of a driver goes past service workers in some browsers. */
  async reload() {
    await this.tab.goto(this.url);
    await this.opened();
  }

  /** Shows nothing any more. */
  async leave() {
    await this.tab.goto('about:blank').catch(() => {});
  }
}

/**
 * How often each message has arrived for each recipient, by subject and address.
 *
 * @param {Scene['server']} server
 * @returns {Record<string, number>}
 */
export function arrived({ arrivals }) {
  return Object.fromEntries((arrivals.tell(-1, '').arrivals ?? []).map(({ subject, to, copies }) => [`${subject} to ${to}`, copies]));
}

/**
 * Waits until a function says yes that can only be asked now and then.
 *
 * @param {() => boolean} holds
 */
export async function eventually(holds) {
  const late = Date.now() + 240_000;
  while (!holds()) {
    assert.ok(Date.now() < late, `never: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
