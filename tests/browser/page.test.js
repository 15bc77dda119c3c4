import { onPage } from '../support/page.js';
import { access } from './page/access.js';
import { data } from './page/data.js';
import { focus } from './page/focus.js';
import { offline } from './page/offline.js';
import { outcomes } from './page/outcomes.js';
import { pictures } from './page/pictures.js';
import { site } from './page/site.js';
import { tabs } from './page/tabs.js';

onPage('The page', (pageTest, engine) => {
  tabs(pageTest);
  offline(pageTest);
  if (engine !== 'Chromium' && !process.env.LONG) return; // what is left hangs on the engine hardly
  outcomes(pageTest);
  focus(pageTest);
  data(pageTest);
  if (engine !== 'Chromium') return; // nothing of these hangs on the engine, or they need its devtools
  site(pageTest);
  access(pageTest);
  pictures(pageTest);
});
