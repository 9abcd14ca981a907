import './page.css';
import { forgetListeners, goThere, listenToAddress } from './address.js';
import { mountCharts, redrawCharts } from './charts/figures.js';
import { addFilters } from './filters.js';
import { keepLive } from './live.js';
import { forgetParts } from './series/parts.js';
import { mountSeries } from './series/series-page.js';
import { enhanceTables } from './tables.js';
import { addThemeButton } from './theme.js';

/** Makes the parts of a page work. @returns takes back what would outlive them */
function mount(main: HTMLElement): () => void {
  enhanceTables(main);
  const unmountCharts = mountCharts(main);
  addFilters(main, redrawCharts);
  const unmountSeries = mountSeries(main);
  return () => {
    unmountCharts();
    unmountSeries();
    forgetListeners();
  };
}

const header = document.querySelector('.site-header');
if (header !== null) addThemeButton(header);
listenToAddress();
let unmount = mount(document.querySelector('main')!);
goThere();

keepLive((fresh) => {
  const old = document.querySelector('main')!;
  const open = [...old.querySelectorAll('details[open]')].map(
    (one) => one.querySelector('summary')!.textContent,
  );
  const [x, y] = [scrollX, scrollY];
  unmount();
  forgetParts();
  old.replaceWith(fresh);
  for (const folded of fresh.querySelectorAll('details'))
    folded.open ||= open.includes(folded.querySelector('summary')!.textContent);
  unmount = mount(fresh);
  scrollTo(x, y);
});
