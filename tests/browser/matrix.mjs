// Looks at pages of `vnetdns matrix --format html`: see look.mjs. They have no script, and ask for nothing.
//
//   NODE_PATH=FOLDER/node_modules node matrix.mjs CHROMIUM PAGE... [SCREENSHOTS]
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Looks, chromium } from './look.mjs';

const [executablePath, ...pages] = process.argv.slice(2);
const screenshots = pages.at(-1).endsWith('.html') ? undefined : pages.pop();
const elements = 'html head meta title style body main h1 h2 table thead tbody tr th td div span code br'.split(' ');
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const looks = new Looks(browser, screenshots);
for (const page of pages) {
  const url = pathToFileURL(resolve(page)).href;
  await looks.at(basename(page), url, { title: 'Who sees what', allowed: asked => asked === url, elements, attributes: [] });
}
await browser.close();
looks.end('browser');
