import { announce } from './elements.js';

/**
 * On pages of `bench serve`, shows the newest state: the server says when something has changed, and the page's main part
 * is fetched and put in place. What the reader has chosen stands in the address and stays; so does what is unfolded.
 */
export function keepLive(replace: (fresh: HTMLElement) => void): void {
  if (document.documentElement.dataset['live'] === undefined) return;
  const events = new EventSource('/events');
  const state = document.getElementById('live');
  const tell = (text: string, isLive: boolean) => {
    if (state === null) return;
    state.textContent = text;
    state.dataset['state'] = isLive ? 'live' : 'lost';
  };
  events.onopen = () => tell('live', true);
  events.onerror = () => tell('connection lost', false);
  let running: Promise<void> = Promise.resolve();
  events.addEventListener('changed', () => {
    running = running.then(refresh).catch(() => tell('connection lost', false));
  });

  async function refresh(): Promise<void> {
    const answer = await fetch(location.pathname);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const fresh = page.querySelector('main');
    if (fresh === null) return;
    replace(document.importNode(fresh, true));
    announce(fresh.querySelector('[data-news]')?.textContent ?? 'The page has new results.');
  }
}
