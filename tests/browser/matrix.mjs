// Opens a page of `vnetdns matrix --format html` in Chromium, light and dark, narrow and wide, and fails where axe-core finds
// anything, a script runs, a request leaves, or the page is wider than its window.
//
//   NODE_PATH=FOLDER/node_modules node matrix.mjs CHROMIUM PAGE... [SCREENSHOTS]
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(pathToFileURL(join(process.env.NODE_PATH, 'package.json')));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [executablePath, ...pages] = process.argv.slice(2);
const screenshots = pages.at(-1).endsWith('.html') ? undefined : pages.pop();

const failures = [];
let looks = 0;
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
for (const page of pages) {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [320, 1280]) {
      const place = `${basename(page)}, ${colorScheme}, ${width} pixels`;
      const fail = what => failures.push(`${place}: ${what}`);
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 } });
      const tab = await context.newPage();
      const url = pathToFileURL(resolve(page)).href;
      tab.on('request', request => { if (request.url() !== url) fail(`a request for ${request.url()}`); });
      tab.on('dialog', dialog => { fail(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
      tab.on('console', message => fail(`the console: ${message.text()}`));
      tab.on('pageerror', error => fail(`an error: ${error}`));
      await tab.goto(url, { waitUntil: 'load' });
      if (await tab.title() !== 'Who sees what') fail(`the title is ${await tab.title()}`);
      const elements = await tab.evaluate(() => [...new Set([...document.querySelectorAll('*')].map(of => of.localName))]);
      const known = 'html head meta title style body main h1 h2 table thead tbody tr th td div span code br'.split(' ');
      for (const element of elements) if (!known.includes(element)) fail(`an element ${element}`);
      const attributes = await tab.evaluate(() =>
        [...document.querySelectorAll('*')].flatMap(of => of.getAttributeNames()).filter(name => /^on|^src|^href/.test(name)));
      for (const attribute of attributes) fail(`an attribute ${attribute}`);
      const wide = await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) fail(`the page is ${wide} pixels wider than the window`);
      await tab.evaluate(axe);
      const { violations, incomplete, passes } = await tab.evaluate(() => window.axe.run());
      if (passes.length < 10) fail(`axe-core ran ${passes.length} checks only`);
      for (const { id, help, nodes } of [...violations, ...incomplete]) fail(`axe-core: ${id}: ${help}: ${nodes[0].html}`);
      if (screenshots) await tab.screenshot({ path: join(screenshots, `${basename(page)}-${colorScheme}-${width}.png`), fullPage: true });
      await context.close();
      looks += 1;
    }
  }
}
await browser.close();
for (const failure of failures) console.error(failure);
const failed = new Set(failures.map(failure => failure.split(': ')[0])).size;
console.log(`browser: ${looks - failed} passed, ${failed} failed`);
process.exitCode = failures.length > 0 || looks === 0 ? 1 : 0;
