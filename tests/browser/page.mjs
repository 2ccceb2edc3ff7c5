// Looks at the views of a running server's page: see look.mjs. `smoke` looks at one view, approves a connection and watches its
// answers change; `views` looks at all of them, light and dark, narrow and wide; `without` works without JavaScript;
// `pictures` makes those of the documentation.
//
//   NODE_PATH=FOLDER/node_modules node page.mjs CHROMIUM smoke|views|without|pictures BASE LINK ENDPOINT DNS [FOLDER]
import { createSocket } from 'node:dgram';
import { Looks, chromium } from './look.mjs';

const [executablePath, what, base, link, endpoint, dns, folder] = process.argv.slice(2);
const elements = ('html head meta title link script body a header div p span nav ul li main h1 h2 h3 section strong em form label ' +
  'input select option datalist button ol code table caption thead tbody tr th td br dl dt dd footer figure figcaption svg path text ' +
  'g rect details summary time pre').split(' ');
const attributes = ['link href', 'script src', 'a href'];
const allowed = url => url.startsWith(base);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const looks = new Looks(browser, what === 'views' ? folder : undefined);
const evil = "<script>document.title='run'<\\047script>.corp.test";
const query = values => new URLSearchParams(values).toString();
const views = [
  ['ask', '/', 'Ask as anybody'],
  ['asked', `/?${query({ name: 'text.corp.test', type: 'TXT', from: 'vnet-hub' })}`, 'Ask as anybody'],
  ['asked-evil', `/?${query({ name: evil, type: 'TXT', from: 'vnet-hub' })}`, 'Ask as anybody'],
  ['asked-more', `/?${query({ name: 'text.corp.test', type: 'TXT', from: '10.0.0.9', via: 'edge', ecs: '10.0.0.0/24' })}`, 'Ask as anybody'],
  ['asked-wrong', `/?${query({ name: '<img src=x>..', from: '"><svg onload=x>' })}`, 'Ask as anybody'],
  ['matrix', `/matrix?${query({ name: 'alias.corp.test' })}`, 'Who sees what'],
  ['topology', '/topology', 'Topology'],
  ['topology-none', `/topology?${query({ q: '"><img src=x>' })}`, 'Topology'],
  ['endpoints', '/endpoints', 'Private endpoints'],
  ['endpoint', `/endpoints?${query({ id: endpoint })}`, endpoint.split('/').pop()],
  ['findings', '/findings', 'Findings'],
  ['finding', '/findings?code=VN410', 'Findings'],
  ['changes', '/changes', 'Changes'],
  ['queries', '/queries', 'Queries'],
];

// Asks the server for a text record, from the address that the world gives to a network.
async function ask(name) {
  const labels = name.split('.').flatMap(label => [label.length, ...Buffer.from(label)]);
  const [host, port] = dns.split(':');
  const socket = createSocket('udp4');
  await new Promise(done => socket.bind(0, '127.1.0.4', done));
  const answered = new Promise(done => socket.once('message', done));
  socket.send(Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 16, 0, 1]), Number(port), host);
  await answered;
  socket.close();
}

// A browser that may change something.
async function opened(options) {
  const context = await browser.newContext(options);
  const tab = await context.newPage();
  await tab.goto(link);
  await tab.getByRole('button', { name: 'Open' }).click();
  await tab.waitForURL(`${base}/endpoints`);
  return { context, tab };
}

async function decide(tab, button, state) {
  await tab.goto(`${base}/endpoints?${query({ id: endpoint })}`);
  await tab.getByRole('button', { name: button }).click();
  await tab.locator('#endpoint .badge', { hasText: state }).waitFor({ timeout: 60000 });
}

if (what === 'smoke') {
  const [name, path, title] = views[1];
  await looks.at(name, base + path, { title: `${title} · vnetdns`, allowed, elements, attributes });
  const { context, tab } = await opened({});
  // What somebody asks for, and its answer, come into the table as they are.
  const asked = "<img src=x onerror=document.title='run'>";
  const watcher = await (await browser.newContext()).newPage();
  watcher.on('request', request => { if (!allowed(request.url())) looks.failures.push(`queries: a request for ${request.url()}`); });
  watcher.on('console', message => looks.failures.push(`queries: the console: ${message.text()}`));
  await watcher.goto(`${base}/queries`);
  await watcher.locator('#live', { hasText: 'Live' }).waitFor({ timeout: 60000 });
  const row = watcher.locator('#queries tbody tr', { hasText: 'corp.test' });
  const begin = Date.now();
  for (const name of [asked, 'text']) {
    // Until the stream has looked for the first time nothing is kept.
    while (await row.filter({ hasText: name.slice(0, 4) }).count() === 0) {
      if (Date.now() - begin > 60000) throw new Error(`the query for ${name} is not told`);
      await ask(`${name}.corp.test`);
      await watcher.waitForTimeout(100);
    }
  }
  const told = await watcher.locator('#queries tbody').textContent();
  for (const text of [asked.replaceAll(' ', '\\032'), '<script>document.title=']) {
    if (!told.includes(text)) looks.failures.push(`queries: ${text} is not in ${told}`);
  }
  if (await watcher.locator('#queries img, #queries script').count() > 0) looks.failures.push('queries: a text has become an element');
  if (!(await watcher.title()).startsWith('Queries')) looks.failures.push(`queries: the title is ${await watcher.title()}`);
  // Another browser, which only reads, sees what the first one does, without asking again.
  const reader = await (await browser.newContext()).newPage();
  await reader.goto(`${base}/endpoints?${query({ id: endpoint })}`);
  await reader.locator('#live', { hasText: 'Live' }).waitFor({ timeout: 60000 });
  if (await reader.getByRole('button').count() > 0) looks.failures.push('reader: it may change something');
  const answers = reader.locator('#answers');
  const before = await answers.textContent();
  await decide(tab, 'Approve', 'Approved');
  await reader.locator('#endpoint .badge', { hasText: 'Approved' }).waitFor({ timeout: 60000 });
  if (await answers.textContent() === before) looks.failures.push('reader: the answers are as before');
  await decide(tab, 'Reject', 'Rejected');
  await reader.locator('#endpoint .badge', { hasText: 'Rejected' }).waitFor({ timeout: 60000 });
  await context.close();
} else if (what === 'views') {
  const { context, tab } = await opened({});
  const cookies = await context.cookies();
  for (const [name, path, title] of views) {
    await looks.at(name, base + path, { title: `${title} · vnetdns`, allowed, elements, attributes, cookies, then: async (tab, fail) => {
      // The first that Tab reaches leads to the content; whatever has the focus can be seen.
      await tab.keyboard.press('Tab');
      const first = await tab.evaluate(() => document.activeElement.textContent);
      if (first !== 'Skip to content') fail(`Tab begins at ${first}`);
      const outline = await tab.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      if (outline === 'none') fail('the focus cannot be seen');
      if (await tab.evaluate(() => document.querySelectorAll('script').length) !== 1) fail('more scripts than one');
    } });
  }
  await tab.close();
} else if (what === 'without') {
  const { context, tab } = await opened({ javaScriptEnabled: false });
  await tab.goto(`${base}/`);
  await tab.getByRole('textbox', { name: 'Name' }).fill('text.corp.test');
  await tab.getByRole('combobox', { name: 'Type' }).selectOption('TXT');
  await tab.getByRole('combobox', { name: 'As' }).fill('vnet-hub');
  await tab.getByRole('button', { name: 'Ask' }).click();
  const lead = await tab.locator('.lead').textContent();
  if (!lead.includes('vnet-hub')) looks.failures.push(`without: ${lead}`);
  await decide(tab, 'Approve', 'Approved');
  await decide(tab, 'Reject', 'Rejected');
  looks.looks += 1;
  await context.close();
} else if (what === 'pictures') {
  const name = 'k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com';
  const parts = [['page-ask', `/?${query({ name, from: 'vnet-n2' })}`, undefined], ['page-topology', '/topology', '.picture']];
  for (const [file, view, part] of parts) {
    for (const colorScheme of ['light', 'dark']) {
      const context = await browser.newContext({ colorScheme, viewport: { width: 960, height: 1120 } });
      const tab = await context.newPage();
      await tab.goto(base + view, { waitUntil: 'load' });
      const path = `${folder}/${file}-${colorScheme}.png`;
      await (part ? tab.locator(part).screenshot({ path }) : tab.screenshot({ path }));
      await context.close();
    }
  }
  looks.looks += 1;
}
await browser.close();
looks.end(`browser, ${what}`);
