// Opens a page in Chromium, light and dark, narrow and wide, and says what is not as it should be: what axe-core finds, a
// request that leaves, a dialog, an error, a line in the console, a page that is wider than its window, elements or attributes
// that nobody wrote.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(pathToFileURL(join(process.env.NODE_PATH, 'package.json')));
export const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export class Looks {
  constructor(browser, screenshots) {
    Object.assign(this, { browser, screenshots, failures: [], looks: 0 });
  }

  // `allowed` says which requests may leave, `elements` which elements may be there; `then` looks on once all is said.
  async at(name, url, { title, allowed, elements, attributes, cookies, then }) {
    for (const colorScheme of ['light', 'dark']) {
      for (const width of [320, 1280]) {
        const place = `${name}, ${colorScheme}, ${width} pixels`;
        const fail = what => this.failures.push(`${place}: ${what}`);
        const context = await this.browser.newContext({ colorScheme, viewport: { width, height: 800 }, reducedMotion: 'reduce' });
        if (cookies) await context.addCookies(cookies);
        const tab = await context.newPage();
        tab.on('request', request => { if (!allowed(request.url())) fail(`a request for ${request.url()}`); });
        tab.on('dialog', dialog => { fail(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
        tab.on('console', message => fail(`the console: ${message.text()}`));
        tab.on('pageerror', error => fail(`an error: ${error}`));
        await tab.goto(url, { waitUntil: 'load' });
        if (await tab.title() !== title) fail(`the title is ${await tab.title()}`);
        const found = await tab.evaluate(() => [...new Set([...document.querySelectorAll('*')].map(of => of.localName))]);
        for (const element of found) if (!elements.includes(element)) fail(`an element ${element}`);
        const names = await tab.evaluate(() => [...document.querySelectorAll('*')].flatMap(of => of.getAttributeNames().map(name =>
          `${of.localName} ${name}`)).filter(name => /^\S+ (on|src|href|style|srcdoc)/.test(name)));
        for (const attribute of names) if (!attributes.includes(attribute)) fail(`an attribute ${attribute}`);
        const wide = await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (wide > 0) fail(`the page is ${wide} pixels wider than the window`);
        await tab.evaluate(axe);
        const { violations, incomplete, passes } = await tab.evaluate(() => window.axe.run());
        if (passes.length < 10) fail(`axe-core ran ${passes.length} checks only`);
        // It cannot tell what is behind the text of a picture; the same colours are looked at beside it.
        const isOfPicture = ({ id, nodes }) => id === 'color-contrast' && nodes.every(({ html }) => html.startsWith('<text '));
        const open = incomplete.filter(result => !isOfPicture(result));
        for (const { id, help, nodes } of [...violations, ...open]) fail(`axe-core: ${id}: ${help}: ${nodes[0].html}`);
        if (this.screenshots) await tab.screenshot({ path: join(this.screenshots, `${name}-${colorScheme}-${width}.png`), fullPage: true });
        if (then) await then(tab, fail);
        await context.close();
        this.looks += 1;
      }
    }
  }

  // What has come of it; a program ends with 1 where something has failed.
  end(what) {
    for (const failure of this.failures) console.error(failure);
    const failed = new Set(this.failures.map(failure => failure.split(': ')[0])).size;
    console.log(`${what}: ${Math.max(this.looks - failed, 0)} passed, ${failed} failed`);
    process.exitCode = this.failures.length > 0 || this.looks === 0 ? 1 : 0;
  }
}
