/** @import { Store } from '../store.js' */
import { html, nothing } from 'lit-html';
import { attempt, icon } from './parts.js';
import { fileSize } from './format.js';

/**
 * What the page says of itself: whether there is a network, whether another version is there, what goes wrong.
 *
 * @param {Store} store
 * @param {{ waiting: boolean, take: () => void }} update
 */
export const notices = (store, update) => html`
  <div class="notices">
    ${store.online ? nothing : html`<p class="notice-line" id="offline" role="status">${icon('warning')}You are offline. This page works all
      the same: what you write is kept here, and goes when the network is back.</p>`}
    ${update.waiting ? html`<p class="notice-line" id="update" role="status">Another version of this page is ready. Mail that waits stays.
      <button type="button" class="button is-small" @click=${update.take}>Take it</button></p>` : nothing}
    ${store.trouble && !store.unusable ? html`<p class="trouble" role="alert">${store.trouble}</p>` : nothing}
  </div>`;

/**
 * Why there is nothing to show, in the place of the lists.
 *
 * @param {Store} store
 */
export const unusable = ({ trouble }) => html`
  <section class="problems" id="unusable" role="alert" aria-labelledby="unusable-title">
    <h2 id="unusable-title">The outbox does not open</h2>
    <p>${trouble}</p>
    <button type="button" class="button" @click=${() => location.reload()}>${icon('again')}Reload the page</button>
  </section>`;

/**
 * Where the data are, and what the browser says of keeping them.
 *
 * @param {Store} store
 * @param {string} offlineState
 */
export function footer(store, offlineState) {
  const { space, persistAnswer } = store;
  return html`
    <footer class="page-footer">
      <h2 class="visually-hidden" tabindex="-1">This browser</h2>
      ${store.unusable ? nothing : html`<p id="space">${space?.usage === undefined ? nothing : `${fileSize(space.usage)} are kept in this browser. `}${
        space?.persisted ? 'The browser keeps them until you remove them.' : 'The browser may clear them when space runs out.'}
        ${persistAnswer === false ? html`<strong>The browser was asked to keep them, and has refused.</strong>` : nothing}
        ${space && !space.persisted && persistAnswer === undefined ? html`<button type="button" id="persist" class="button is-small is-quiet"
          @click=${() => attempt(() => store.persist())}>Ask it to keep them</button>` : nothing}</p>`}
      <p id="offline-state">${offlineState}</p>
    </footer>`;
}
