/** @import { History } from './history.js' */
import { setDials } from './relay.js';

/** Held by the tab that runs the demo: whoever gets it finds no demo under way. */
const LOCK = 'outbox-demo';
/** Where is noted what was set before the demo. */
const NOTE = 'outbox-before-demo';
/** How long the reload of a tab may take before the tab counts as gone, in milliseconds. */
const RELOAD = 60_000;

/**
 * What was set before the demo. It is noted where all tabs find it: where the tab that ran the demo is gone, another one puts
 * it back.
 *
 * @typedef {{ sending: boolean, backBy: number }} Note `backBy` is until when a tab that reloads has time
 */
export class BeforeDemo {
  #history;

  /** @param {History} history has the settings of all tabs */
  constructor(history) {
    this.#history = history;
    addEventListener('storage', ({ key, newValue }) => {
      if (key === NOTE && newValue) void this.inherit(); // another tab runs the demo, and may go
    });
  }

  /** Puts back what a demo has left, as soon as no tab runs it any more. @returns {Promise<void>} */
  inherit() {
    return this.hold(async () => {
      const left = (noted()?.backBy ?? 0) - Date.now();
      if (left > 0) setTimeout(() => void this.inherit(), left);
      else await this.putBack();
    });
  }

  /**
   * Does something while no tab runs the demo.
   *
   * @param {() => Promise<void>} work
   */
  async hold(work) {
    await navigator.locks.request(LOCK, work);
  }

  /**
   * Notes what is set, or keeps the note of a demo that was left: that one was made before any change.
   *
   * @param {{ reloads?: boolean }} [tab] whether this tab is about to be loaded anew, and goes on then
   */
  async note({ reloads = false } = {}) {
    const { sending } = noted() ?? (await this.#history.settings());
    localStorage.setItem(NOTE, JSON.stringify({ sending, backBy: reloads ? Date.now() + RELOAD : 0 }));
  }

  /** Sets everything as it was noted, if it was. */
  async putBack() {
    const note = noted();
    if (!note) return;
    await this.#history.set({ sending: note.sending });
    await setDials({ slow: 0, away: false }).catch(() => {}); // the other side may be gone
    localStorage.removeItem(NOTE);
  }
}

/** @returns {Note | undefined} */
function noted() {
  return JSON.parse(localStorage.getItem(NOTE) ?? 'null') ?? undefined;
}
